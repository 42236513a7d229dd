package grpctls

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// farewellBound is how long a caller that is refused may take to hear why. It has the alert after one trip.
	farewellBound = time.Second
	// farewellBytes is the most that it is let say meanwhile: a gRPC client has sent its preface and settings, about 100 bytes.
	farewellBytes = 16 << 10
	// refusalPause is the time between two lines about refusals: whoever knocks all day shall not fill the disk.
	refusalPause = time.Second
	// maxReason is how many bytes of a reason are logged; it may quote the caller's certificate.
	maxReason = 300
)

// heldConn is a connection that its handshake cannot close, so that the alert gets through.
//
// With TLS 1.3 a client has finished before the server has seen its certificate, and goes on to write. If the server closed with that
// unread, the reset would overtake the alert, and the client would hear of a connection that is gone instead of its certificate.
type heldConn struct {
	net.Conn
	released atomic.Bool
}

// Close closes the connection once the handshake is over.
func (c *heldConn) Close() error {
	if !c.released.Load() {
		return nil
	}
	return c.Conn.Close()
}

func (c *heldConn) release() { c.released.Store(true) }

// farewell closes the connection when the caller has heard why it is refused, or has had its time.
func (c *heldConn) farewell(err error) {
	var noTLS tls.RecordHeaderError
	if !errors.As(err, &noTLS) && !gone(err) { // those hear no alert
		_ = c.SetReadDeadline(time.Now().Add(farewellBound))
		_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, farewellBytes)) // its end is all that is asked of it
	}
	c.release()
	_ = c.Close()
}

// gone reports whether the caller went away, or said nothing, as port scanners and TCP probes do.
func gone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// refusals logs who was refused and why, one line a second at most.
type refusals struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time // guarded by mu; of the last line
	skipped int       // guarded by mu; since then
}

func (r *refusals) note(peer net.Addr, err error) {
	if gone(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.last) < refusalPause {
		r.skipped++
		return
	}
	reason := err.Error()
	r.log.Warn("a caller was refused at the handshake", "peer", peer.String(), "reason", reason[:min(len(reason), maxReason)], "others_since", r.skipped)
	r.last, r.skipped = now, 0
}
