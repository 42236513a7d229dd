package http1

import (
	"slices"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
)

const (
	// maxIdle is how many connections that no sender holds a call keeps, and a pool. A plan of 10,000 requests to as many
	// hosts would else run out of file descriptors.
	maxIdle = 256
	// keepIdle is how long a pool keeps a connection.
	keepIdle = 30 * time.Second
)

// idle is the open connections of a call that no sender holds. It is safe for concurrent use.
type idle struct {
	mu    sync.Mutex
	conns map[connect.Origin][]*conn // guarded by mu, the last one used last
	count int                        // guarded by mu
}

// take is a connection to the origin that lives, or nil.
func (p *idle) take(o connect.Origin) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for stack := p.conns[o]; len(stack) > 0; stack = p.conns[o] {
		c := stack[len(stack)-1]
		p.conns[o] = stack[:len(stack)-1]
		p.count--
		if c.isAlive(time.Since(epoch)) {
			return c
		}
		c.close()
	}
	return nil
}

// put keeps a connection for whoever needs its origin next, or closes it when there are enough.
func (p *idle) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= maxIdle {
		c.close()
		return
	}
	if p.conns == nil {
		p.conns = make(map[connect.Origin][]*conn)
	}
	p.conns[c.origin] = append(p.conns[c.origin], c)
	p.count++
}

// empty gives all connections away.
func (p *idle) empty() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*conn
	for _, stack := range p.conns {
		all = append(all, stack...)
	}
	p.conns, p.count = nil, 0
	return all
}

// Pool keeps connections between direct calls, so that the second of two that ask the same hosts pays no handshake. What a
// call must not see of another's is in the key: the certificates that it trusts, and whose it is: a target that takes one caller's body
// for the next one's request must not have them on one connection. The zero value is ready; it is safe for
// concurrent use. Its owner closes it.
type Pool struct {
	mu     sync.Mutex
	kept   []kept      // guarded by mu, oldest first
	sweep  *time.Timer // guarded by mu; nil while nothing is kept
	closed bool        // guarded by mu
}

type key struct {
	owner  string
	origin connect.Origin
	tls    plan.TLSOptions
}

type kept struct {
	key   key
	conn  *conn
	until time.Time
}

// take is a connection that lives and has carried fewer requests than the limit, if there is one; the last one put, or nil.
func (p *Pool) take(k key, limit int) *conn {
	if p == nil {
		return nil
	}
	for {
		c := p.pick(k, limit)
		if c == nil || c.isAlive(time.Since(epoch)) {
			return c
		}
		_ = c.net.Close()
	}
}

func (p *Pool) pick(k key, limit int) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.kept) - 1; i >= 0; i-- {
		if one := p.kept[i]; one.key == k && (limit <= 0 || one.conn.carried < limit) {
			p.kept = slices.Delete(p.kept, i, i+1)
			return one.conn
		}
	}
	return nil
}

// shed closes the connections that nobody holds, the call's and the pool's: none of them may cost a slot its file descriptor. It
// reports whether there was one, or another sender has closed them since sheds was what the caller says.
func (c *Client) shed(before int64) bool {
	c.shedding.Lock()
	defer c.shedding.Unlock()
	if c.sheds.Load() != before {
		return true
	}
	unheld := append(c.idle.empty(), c.config.Pool.empty()...)
	for _, one := range unheld {
		one.close()
	}
	if len(unheld) == 0 {
		return false
	}
	c.sheds.Add(1)
	return true
}

// empty gives all connections away; others may be put.
func (p *Pool) empty() []*conn {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*conn
	for _, one := range p.kept {
		all = append(all, one.conn)
	}
	p.kept = nil
	return all
}

// put keeps a connection that no call watches. When there are too many the oldest one goes.
func (p *Pool) put(k key, c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.net.Close()
		return
	}
	p.kept = append(p.kept, kept{k, c, time.Now().Add(keepIdle)})
	if len(p.kept) > maxIdle {
		_ = p.kept[0].conn.net.Close()
		p.kept = p.kept[1:]
	}
	if p.sweep == nil {
		p.sweep = time.AfterFunc(keepIdle, p.drop)
	}
}

// drop closes what has been kept for long enough.
func (p *Pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for len(p.kept) > 0 && !now.Before(p.kept[0].until) {
		_ = p.kept[0].conn.net.Close()
		p.kept = p.kept[1:]
	}
	if len(p.kept) == 0 || p.closed {
		p.sweep = nil
		return
	}
	p.sweep.Reset(p.kept[0].until.Sub(now))
}

// Close closes all connections; none is kept from now on.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, one := range p.kept {
		_ = one.conn.net.Close()
	}
	p.kept = nil
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
}
