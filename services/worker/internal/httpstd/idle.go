package httpstd

import (
	"sync"
	"sync/atomic"

	"github.com/fanout-load/fanout/services/worker/internal/connect"
)

// maxIdle is how many connections that no sender holds are kept in one call. A plan of 10,000 requests to as many hosts
// would else run out of file descriptors.
const maxIdle = 256

// idle is the open connections of a call that no sender holds, by origin. It is safe for concurrent use.
type idle struct {
	mu       sync.Mutex
	byOrigin map[connect.Origin][]*conn
	count    int
	sheds    atomic.Int64 // how often all were closed for want of file descriptors
}

// take is a connection to the origin that still lives, the last one used first, or nil.
func (p *idle) take(o connect.Origin) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for stack := p.byOrigin[o]; len(stack) > 0; stack = p.byOrigin[o] {
		c := stack[len(stack)-1]
		p.byOrigin[o] = stack[:len(stack)-1]
		p.count--
		if c.usable() {
			return c
		}
		c.close()
	}
	return nil
}

// put keeps a connection for whoever needs its origin next, or closes it when it has ended or there are enough.
func (p *idle) put(o connect.Origin, c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count >= maxIdle || !c.usable() {
		c.close()
		return
	}
	if p.byOrigin == nil {
		p.byOrigin = make(map[connect.Origin][]*conn)
	}
	p.byOrigin[o] = append(p.byOrigin[o], c)
	p.count++
}

// shed closes all connections, and reports whether there was one, or another sender has closed them since sheds was before.
func (p *idle) shed(before int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sheds.Load() == before && p.count > 0 {
		p.closeLocked()
		p.sheds.Add(1)
	}
	return p.sheds.Load() != before
}

func (p *idle) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closeLocked()
}

func (p *idle) closeLocked() {
	for _, stack := range p.byOrigin {
		for _, c := range stack {
			c.close()
		}
	}
	p.byOrigin, p.count = nil, 0
}
