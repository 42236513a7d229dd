package httpstd

import (
	"net"
	"net/http"
	"sync/atomic"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// conn is one connection to a target. One sender at a time uses it.
type conn struct {
	http    *http.ClientConn
	wire    *wireConn
	opened  *outcome.Connection
	carried int // requests
}

// usable reports whether the connection can carry a request: it has not ended since its last response, by the target or by
// net/http, which ends one whose request it did not see written in time. (Err is nil for a moment then.)
func (c *conn) usable() bool { return c.http.Available() > 0 }

func (c *conn) close() { _ = c.http.Close() }

// wireConn watches the bytes of a connection, above TLS. net/http reads and writes in goroutines of its own and wraps what
// goes wrong in errors without a type; what really happened is here.
type wireConn struct {
	net.Conn
	phase    atomic.Int32          // errclass.Phase of the exchange that goes on
	received atomic.Int64          // bytes since the exchange began
	failed   atomic.Pointer[error] // the first error of a read or write, io.EOF included
}

// begin starts an exchange. It reports whether bytes have arrived before it, since the connection began or the last one did.
func (c *wireConn) begin() (early bool) {
	early = c.received.Swap(0) > 0
	c.phase.Store(int32(errclass.Write))
	return early
}

// reach moves the exchange forward to phase; it never goes back.
func (c *wireConn) reach(phase errclass.Phase) {
	for {
		now := c.phase.Load()
		if now >= int32(phase) || c.phase.CompareAndSwap(now, int32(phase)) {
			return
		}
	}
}

// Read reads, and notes the bytes and how the connection ended.
func (c *wireConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.received.Add(int64(n))
		c.reach(errclass.Head)
	}
	c.note(err)
	return n, err
}

// Write writes, and notes how the connection ended.
func (c *wireConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.note(err)
	return n, err
}

func (c *wireConn) note(err error) {
	if err != nil {
		c.failed.CompareAndSwap(nil, &err)
	}
}

// failure is what ended the connection, or else what net/http says.
func (c *wireConn) failure(said error) error {
	if failed := c.failed.Load(); failed != nil {
		return *failed
	}
	return said
}
