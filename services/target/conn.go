package target

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// lingerBound is how long a connection whose end must arrive as a FIN waits for the peer's. A peer that reads notices
// within milliseconds; one that does not is not worth more.
const lingerBound = 2 * time.Second

// ending is what a script leaves of its connection.
type ending int

const (
	keep   ending = iota // read the next request
	finish               // close in order; right when everything that was sent has been read
	linger               // close in order although the peer may be sending: unread bytes would turn the FIN into a reset
	reset                // a RST, without another word: on TLS without an alert
)

// readers saves the 4 KiB that each connection reads through; a test opens thousands of them one after the other.
var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// conn is one connection of an oracle. It belongs to its goroutine alone, except for tcp, which Oracle.Close closes to end
// whatever the goroutine is blocked in.
type conn struct {
	oracle   *Oracle
	number   int64
	tcp      *net.TCPConn
	stream   net.Conn // tcp, or TLS over it
	in       *bufio.Reader
	out      []byte // response being made; kept for its memory
	requests int    // read so far
	fate     ending // what the next request meets instead of an answer; keep: nothing
}

// serve answers requests until one of them, the peer or the oracle ends the connection.
func (c *conn) serve() {
	if !c.handshake() {
		c.end(linger) // so that the alert is read, and not lost to a reset
		return
	}
	c.in = readers.Get().(*bufio.Reader)
	c.in.Reset(c.stream)
	c.end(c.exchanges())
	c.in.Reset(nil)
	readers.Put(c.in)
}

// handshake reports whether the connection is ready for requests.
func (c *conn) handshake() bool {
	if c.oracle.config.TLS == nil {
		return true
	}
	secure := tls.Server(c.tcp, c.oracle.config.TLS)
	c.stream = secure
	return secure.Handshake() == nil
}

// exchanges serves one request after the other and returns how the connection is to end.
func (c *conn) exchanges() ending {
	for {
		x, err := c.read()
		if err != nil {
			return c.refuse(err)
		}
		if end := x.perform(); end != keep {
			return end
		}
	}
}

// refuse ends a connection on which no request could be read. Bytes that are not HTTP/1 get a 400; that the peer has left,
// in the middle or not, needs no answer.
func (c *conn) refuse(err error) ending {
	var broken net.Error
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &broken) {
		return finish
	}
	c.write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	return linger
}

// end closes the connection that way.
func (c *conn) end(how ending) {
	defer c.oracle.untrack(c.tcp)
	switch how {
	case reset:
		_ = c.tcp.SetLinger(0) // makes Close send a RST
		_ = c.tcp.Close()
	case linger:
		_ = c.tcp.CloseWrite()
		_ = c.tcp.SetReadDeadline(time.Now().Add(lingerBound))
		_, _ = io.Copy(io.Discard, c.tcp) // ends with the peer's FIN, by the deadline, or when the oracle closes
		_ = c.tcp.Close()
	default:
		_ = c.stream.Close()
	}
}

// write sends bytes and reports whether the peer's system took them.
func (c *conn) write(p []byte) bool {
	_, err := c.stream.Write(p)
	return err == nil
}

// pause waits that long. It reports false, at once, when the peer leaves or the oracle closes; a peer that only closes its
// sending half counts as one that leaves, because the two look alike until something is written.
func (c *conn) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	until := time.Now().Add(d)
	_ = c.stream.SetReadDeadline(until)
	_, err := c.in.Peek(1)
	_ = c.stream.SetReadDeadline(time.Time{})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true
	case err != nil:
		return false
	default: // the next request is here already; it waits, and the peer's leaving cannot be seen behind it
		return c.oracle.pause(time.Until(until))
	}
}

// stall says nothing until the peer leaves or the oracle closes. What the peer still sends is swallowed unread: its
// leaving would not be noticed behind it.
func (c *conn) stall() ending {
	_, _ = io.Copy(io.Discard, c.in)
	return finish
}
