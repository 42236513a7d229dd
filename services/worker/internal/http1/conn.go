package http1

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

const (
	// ownBuffer is what a connection can hold of what it received: a small response. It grows for longer heads, and where a
	// response did not fit, up to maxOwnBuffer: ten thousand connections with more than they need are the most of a worker's
	// memory.
	ownBuffer    = 1 << 10
	maxOwnBuffer = 16 << 10
	// stale is how long a connection may rest before it is looked at: closed by the target in the meantime, it is replaced. One
	// that is used again at once is not worth the system call.
	stale = time.Millisecond
)

// conn is one connection to a target. One sender at a time uses it.
type conn struct {
	net    net.Conn // line, or TLS over it
	line   *line
	isRaw  bool // no TLS, and the system lets us converse
	origin connect.Origin
	opened *outcome.Connection

	carried int           // requests
	rested  time.Duration // when the last response had ended, from epoch

	in         []byte // in[head:tail] was received and not looked at yet
	head, tail int
}

// open makes a new connection to the origin, within the call's context, and until due at the latest.
//
// It does so in a goroutine of its own: a dial's stack is twice as deep as an exchange's, and a sender that had grown one would
// keep it.
func (c *Client) open(ctx context.Context, o connect.Origin, due time.Duration) (*conn, *errclass.Failure) {
	var (
		made     *conn
		failure  *errclass.Failure
		panicked any
		done     = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		made, failure = c.dial(ctx, o, due)
	}()
	<-done
	if panicked != nil {
		panic(panicked) // it is the sender's to recover from
	}
	return made, failure
}

func (c *Client) dial(ctx context.Context, o connect.Origin, due time.Duration) (*conn, *errclass.Failure) {
	made := &conn{origin: o, line: &line{}}
	made.line.due.Store(int64(due))
	dialing, cancel := context.WithDeadlineCause(ctx, epoch.Add(due), errclass.ErrTimeout)
	defer cancel()
	var failure *errclass.Failure
	made.net, made.opened, failure = c.connector.Open(dialing, o, func(tcp net.Conn) net.Conn {
		made.line.Conn = tcp
		made.line.raw, made.isRaw = newRaw(tcp)
		return made.line
	})
	if failure != nil {
		return nil, failure
	}
	made.isRaw = made.isRaw && o.Scheme == "http"
	made.in = make([]byte, ownBuffer)
	made.line.armed.Store(0) // the handshake's are gone
	made.line.watch(ctx)
	return made, nil
}

func (c *conn) close() {
	c.line.unwatch()
	_ = c.net.Close()
}

// abort closes a connection on which something has failed. Package tls would say farewell, and wait five seconds where the
// target does not read.
func (c *conn) abort() {
	c.line.unwatch()
	_ = c.line.Close()
}

// isAlive reports whether the connection can carry a request now (from epoch), for all that is known: it has not ended, and
// nothing came that nobody asked for.
func (c *conn) isAlive(now time.Duration) bool {
	if now-c.rested < stale {
		return true
	}
	c.line.look = true
	defer func() { c.line.look = false }()
	n, err := c.net.Read(c.in[:1])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// received is what is there to be looked at.
func (c *conn) received() []byte { return c.in[c.head:c.tail] }

// fill reads more, after it has made room for it.
func (c *conn) fill() error {
	n, err := c.net.Read(c.room())
	c.tail += n
	if n > 0 {
		return nil
	}
	return err
}

// fit makes the buffer large enough for another response of that size, head and body, to be read in one go.
func (c *conn) fit(size int64) {
	if size <= int64(len(c.in)) || size > maxOwnBuffer || c.head != c.tail {
		return
	}
	larger := ownBuffer
	for int64(larger) < size {
		larger *= 2
	}
	c.in, c.head, c.tail = make([]byte, larger), 0, 0
}

// room is where more can be received.
func (c *conn) room() []byte {
	switch {
	case c.head == c.tail:
		c.head, c.tail = 0, 0
	case c.tail < len(c.in):
	case c.head > 0:
		c.tail = copy(c.in, c.in[c.head:c.tail])
		c.head = 0
	default:
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	return c.in[c.tail:]
}
