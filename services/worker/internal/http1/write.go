package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// longRequest is from when on a request is written while the response may already come.
const longRequest = 16 << 10

// write writes the request and waits for the first bytes of the response. It returns how much of it has been written for
// certain; where that is not all, x.rest knows the rest.
func (x *exchange) write(out []byte) (written int, err error) {
	x.phase = errclass.Write
	x.conn.line.until(x.due)
	switch {
	case x.conn.isRaw && x.conn.carried > 1: // on a new connection an end may be there already, and would not wake us
		return x.converse(out)
	case len(out) > longRequest:
		return 0, x.writeOn(out)
	}
	if written, err = x.conn.net.Write(out); err != nil {
		return written, err
	}
	x.wrote()
	x.phase = errclass.Wait
	return written, x.conn.fill()
}

// converse writes and waits in one go.
func (x *exchange) converse(out []byte) (written int, err error) {
	c := x.conn
	x.wrote() // will be true in microseconds, or is of no matter
	left, in := out, c.room()
	for {
		var n int
		n, left, err = c.line.raw.converse(left, in)
		c.tail += n
		switch {
		case err == nil && len(left) > 0: // the kernel took a part
			c.line.until(x.due)
			return len(out) - len(left), x.writeOn(left)
		case len(left) == 0:
			x.phase = errclass.Wait
		}
		if err == nil || n > 0 || !c.line.again(err) {
			return len(out) - len(left), err
		}
	}
}

func (x *exchange) firstByteTimeout() time.Duration { return x.client.plan.HTTP.FirstByteTimeout }

// wrote starts the timeout of the first byte.
func (x *exchange) wrote() {
	if limit := x.firstByteTimeout(); limit > 0 {
		x.conn.line.until(min(x.due, time.Since(epoch)+limit))
	}
}

// answered ends the timeout of the first byte, also for a request that is still being written.
func (x *exchange) answered() {
	if x.firstByteTimeout() <= 0 {
		return
	}
	if x.rest != nil {
		x.rest.mu.Lock()
		defer x.rest.mu.Unlock()
		x.rest.answered = true
	}
	x.conn.line.until(x.due)
}

// writing is a request that is being written while its response is awaited: a target may answer before it has read all, and
// stop reading.
type writing struct {
	done    chan struct{}
	written int   // set before done is closed
	err     error // set before done is closed

	mu       sync.Mutex
	answered bool // guarded by mu; a byte of the response has come
}

// writeOn writes out in a goroutine, which settle waits for, and waits for the first bytes of the response.
func (x *exchange) writeOn(out []byte) error {
	w := &writing{done: make(chan struct{})}
	x.rest = w
	go func() {
		defer close(w.done)
		if w.written, w.err = x.conn.net.Write(out); w.err != nil {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.answered {
			x.wrote()
		}
	}()
	return x.conn.fill()
}

// lastBytes is how long the writing may take to end after its response has ended: the target has read all, mostly, and its
// answer was only faster than the writer's goroutine. As long as net/http gives it.
const lastBytes = 50 * time.Millisecond

// ends reports whether the writing ends by itself, within its patience.
func (w *writing) ends(patience time.Duration) bool {
	select {
	case <-w.done:
		return true
	default:
	}
	if patience <= 0 {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.done:
		return true
	case <-timer.C:
		return false
	}
}

// settle ends the writing of the request; err is how the exchange ended. It returns the error that counts, how much was
// written here, and whether the connection can carry another request for all that the writing says.
func (x *exchange) settle(err error) (written int, reusable bool, counts error) {
	w := x.rest
	if w == nil {
		return 0, true, err
	}
	patience := lastBytes
	if err != nil {
		patience = 0
	}
	inTime := w.ends(patience)
	if !inTime {
		_ = x.conn.line.Close() // or the target would have to read on before anyone can go on
		<-w.done                // perhaps without an error, in this very moment
	}
	if err != nil && x.phase == errclass.Write {
		switch {
		case w.err == nil:
			x.phase = errclass.Wait
		case isEnd(err) && !errors.Is(w.err, net.ErrClosed):
			err = w.err // a reset is told once, to the one of the two that meets it first
		}
	}
	return w.written, inTime && w.err == nil, err
}

// isEnd reports whether err is the end of a connection, in order as far as it knows.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
