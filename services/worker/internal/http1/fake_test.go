package http1

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
)

// scriptedConn is a connection whose peer takes everything, sends its pieces, one for each read at most, and then ends.
type scriptedConn struct {
	net.Conn
	pieces    [][]byte
	end       error // of the read after the last piece; a timeout is one that is due
	joined    bool  // the end comes with the last byte, as package tls has it
	due       func()
	delivered int  // bytes read
	ended     bool // a read was told the end
}

func (c *scriptedConn) Read(b []byte) (n int, err error) {
	if len(c.pieces) > 0 {
		n = copy(b, c.pieces[0])
		c.delivered += n
		if c.pieces[0] = c.pieces[0][n:]; len(c.pieces[0]) == 0 {
			c.pieces = c.pieces[1:]
		}
		if len(c.pieces) > 0 || !c.joined {
			return n, nil
		}
	}
	if c.ended = true; errors.Is(c.end, os.ErrDeadlineExceeded) && c.due != nil {
		c.due()
	}
	return n, c.end
}

func (c *scriptedConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *scriptedConn) SetDeadline(time.Time) error { return nil }
func (c *scriptedConn) Close() error                { return nil }
func (c *scriptedConn) timedOut() bool              { return c.ended && errors.Is(c.end, os.ErrDeadlineExceeded) }
func never() bool                                   { return true }
func (c *scriptedConn) asTimeoutOf(l *line)         { c.due = func() { l.due.Store(0) } }
func scripted(data, cuts []byte, end error) *scriptedConn {
	return &scriptedConn{pieces: split(data, cuts), end: end}
}

// split cuts data into pieces of the lengths that cuts say: 1 to 200 bytes, or more. What is left is the last piece.
func split(data, cuts []byte) (pieces [][]byte) {
	for _, cut := range cuts {
		size := int(cut) + 1
		if cut >= 200 {
			size = (int(cut) - 199) * 97
		}
		if size >= len(data) {
			break
		}
		pieces, data = append(pieces, data[:size:size]), data[size:]
	}
	if len(data) > 0 {
		pieces = append(pieces, data)
	}
	return pieces
}

var fakeOrigin = connect.Origin{Scheme: "http", Address: "fake.example:80"}

// heldConn is a connection over a fake one.
func heldConn(fake net.Conn) *conn {
	l := &line{Conn: fake, stop: never}
	// It has not rested, whenever it is asked, so nobody looks whether it lives.
	return &conn{net: l, line: l, origin: fakeOrigin, in: make([]byte, ownBuffer), rested: 1 << 62}
}

// testHead is the longest head of a response that mustNew's clients take.
const testHead = 64 << 10

// mustNew is a client for the plan.
func mustNew(p *plan.Plan, pool *Pool) *Client {
	c, err := New(p, Config{RunID: "run", UserAgent: "fanout/test", Dialer: dialer, Start: time.Now(), Pool: pool})
	if err != nil {
		panic(err)
	}
	return c
}
