package httpstd

import (
	"sync"

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

func (p *idle) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, stack := range p.byOrigin {
		for _, c := range stack {
			c.close()
		}
	}
	p.byOrigin, p.count = nil, 0
}
