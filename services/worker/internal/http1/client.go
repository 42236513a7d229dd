// Package http1 is the HTTP/1.1 engine: a sender writes a request that was rendered before with one system call, waits, and
// reads the response in place. It has no pool that senders share on their way, no goroutine and no timer beside the sender's,
// and allocates nothing for a request on an open connection.
//
// One hop is one attempt on the wire: nothing is ever sent twice. What a response means it decides by itself only where the
// response is as plain as nearly all are; everything else goes through net/http's own reader (odd.go), so that both engines
// agree on it.
package http1

import (
	"cmp"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// epoch is where the clock of deadlines begins: connections outlive the call that opened them.
var epoch = time.Now()

// Config is what a Client needs beside the plan.
type Config struct {
	RunID     string // sent as X-Fanout-Run
	UserAgent string
	Dialer    *egress.Dialer
	Start     time.Time // the run's start, from which outcomes count
	Watch     connect.Watch
	MaxHead   int    // the longest head of a response, interim responses included, in bytes; default: the default cap
	MaxBody   int64  // the longest body of a response, in bytes; 0: as long as it likes
	Owner     string // whose connections of the pool it takes and leaves
	Pool      *Pool  // keeps connections for later calls; nil: every connection ends with the call
	// Held reports whether the call may still send. It is asked before a request is written, if opening a connection or a redirect's
	// hop came between it and the slot's beginning. Nil: it may.
	Held func() bool
}

// Client sends the requests of one call and holds its connections. Its senders may run at once.
type Client struct {
	config    Config
	plan      *plan.Plan
	fresh     bool        // all at once: no slot waits for another's connection, and none gets it
	requests  []*rendered // by request
	connector *connect.Connector
	offset    time.Duration // of the run's start, from epoch
	idle      idle
	shedding  sync.Mutex   // held while unheld connections are closed
	sheds     atomic.Int64 // how often they were
	buffers   sync.Pool    // of *[]byte, for bodies that do not fit a connection's own
}

// bodyBuffer is how much of a great body is read at once: more makes no system call cheaper.
const bodyBuffer = 64 << 10

// New makes a client for the plan's requests. It fails when the plan was not checked by package wire.
func New(p *plan.Plan, config Config) (*Client, error) {
	config.MaxHead = cmp.Or(config.MaxHead, int(plan.DefaultCaps().HeadBytes))
	c := &Client{
		config:  config,
		plan:    p,
		fresh:   p.Load.AllAtOnce(),
		offset:  config.Start.Sub(epoch),
		buffers: sync.Pool{New: func() any { b := make([]byte, bodyBuffer); return &b }},
	}
	var err error
	if c.connector, err = connect.New(p, config.Dialer, config.Watch); err != nil {
		return nil, err
	}
	for i := range p.Requests {
		hop, err := request.First(&p.Requests[i], config.RunID, config.UserAgent)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		r, err := c.render(hop)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		c.requests = append(c.requests, r)
	}
	return c, nil
}

// render renders a hop, unless it is one that must not be sent.
func (c *Client) render(h *request.Hop) (*rendered, error) {
	r, err := render(h, c.plan.HTTP.RequestsPerConnection > 0)
	if err == nil {
		r.refused = c.connector.CheckNames(r.origin, h.Host)
	}
	return r, err
}

// now is the time on the run's clock.
func (c *Client) now() time.Duration { return time.Since(c.config.Start) }

// Close gives up the connections that no sender holds. The senders have ended.
func (c *Client) Close() {
	for _, held := range c.idle.empty() {
		if c.config.Pool == nil || !held.line.unwatch() {
			held.close()
			continue
		}
		c.config.Pool.put(key{c.config.Owner, held.origin, c.plan.HTTP.TLS}, held)
	}
}
