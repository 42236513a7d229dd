package target

import (
	"errors"
	"net"
	"os"
	"time"
)

// AcceptAction is what an oracle does with a connection that it has accepted.
type AcceptAction int

const (
	// AcceptServe serves requests.
	AcceptServe AcceptAction = iota
	// AcceptReset resets the connection at once, before anything is read. It is a race whether the peer's dialling fails
	// of that or its first read or write; where the phase matters, use the script /reset.
	AcceptReset
	// AcceptClose closes the sending half at once. What the peer sends is swallowed until it has closed its half too (2 s
	// at most), so that it sees an orderly end and not the reset that unread bytes would cause.
	AcceptClose
	// AcceptHold keeps the connection open, reads nothing and says nothing, until the oracle is closed.
	AcceptHold
	// AcceptPlainText writes an HTTP response in plain text and closes in order: on a TLS oracle, the answer of a server
	// that does not speak TLS.
	AcceptPlainText
)

// acceptRetry is the pause after an accept that failed for want of file descriptors, which only time gives back.
const acceptRetry = 5 * time.Millisecond

// notTLS is what AcceptPlainText says.
const notTLS = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 21\r\n\r\n" +
	"This port is not TLS\n"

// acceptAll accepts until the oracle is closed.
func (o *Oracle) acceptAll() {
	for o.awaitTurn() {
		tcp, err := o.listener.AcceptTCP()
		switch {
		case err == nil:
			o.begin(tcp)
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			// The state has changed: awaitTurn knows.
		default:
			o.pause(acceptRetry)
		}
	}
}

// awaitTurn returns when connections are to be accepted, or reports false when the oracle is closed.
func (o *Oracle) awaitTurn() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.paused && !o.closed {
		o.parked = true
		o.turn.Broadcast()
		o.turn.Wait()
	}
	o.parked = false
	return !o.closed
}

// begin does with the connection what the configuration says.
func (o *Oracle) begin(tcp *net.TCPConn) {
	number, ok := o.track(tcp)
	if !ok {
		_ = tcp.Close() // never served
		return
	}
	action := AcceptServe
	if o.config.OnAccept != nil {
		action = o.config.OnAccept(number)
	}
	c := &conn{oracle: o, number: number, tcp: tcp, stream: tcp}
	switch action {
	case AcceptReset:
		c.end(reset)
	case AcceptHold:
		// Tracked, and that is all: no goroutine, so that thousands can be held.
	case AcceptClose:
		o.running.Go(func() { c.end(linger) })
	case AcceptPlainText:
		o.running.Go(func() {
			c.write([]byte(notTLS))
			c.end(linger)
		})
	default:
		o.running.Go(c.serve)
	}
}
