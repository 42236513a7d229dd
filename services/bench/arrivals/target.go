package arrivals

import (
	"bytes"
	"net"
	"sync"
	"time"
)

// Answer is what a target answers to every request.
const Answer = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Type: text/plain\r\n\r\nThe count is: 1\n"

// Target is an HTTP target that notes when requests come and does as little else as it can: any request without a body gets
// the same answer, one at a time on a connection. Where the kernel tells when a packet came in, that is the time of arrival, and
// the target's own delay, and with it the load on the machine, is not in it.
type Target struct {
	listener net.Listener
	conns    sync.WaitGroup

	mu       sync.Mutex
	arrivals []time.Time           // guarded by mu
	open     map[net.Conn]struct{} // guarded by mu
}

// StartTarget starts a target on a loopback port.
func StartTarget() (*Target, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Target{listener: l, open: make(map[net.Conn]struct{})}
	t.conns.Go(t.accept)
	return t, nil
}

// URL is where the target listens.
func (t *Target) URL() string { return "http://" + t.listener.Addr().String() + "/" }

// Close ends the target and its connections, and returns the arrivals, in no order.
func (t *Target) Close() []time.Time {
	_ = t.listener.Close() // a connection that was accepted meanwhile is closed there
	t.mu.Lock()
	for c := range t.open {
		_ = c.Close() // its reader notices
	}
	t.open = nil
	t.mu.Unlock()
	t.conns.Wait()
	return t.arrivals
}

func (t *Target) accept() {
	for {
		c, err := t.listener.Accept()
		if err != nil {
			return
		}
		t.mu.Lock()
		closed := t.open == nil
		if !closed {
			t.open[c] = struct{}{}
		}
		t.mu.Unlock()
		if closed {
			_ = c.Close() // nobody waits for it
			return
		}
		t.conns.Go(func() { t.serve(c.(*net.TCPConn)) })
	}
}

// serve answers a connection's requests, and adds their arrivals at its end.
func (t *Target) serve(c *net.TCPConn) {
	var arrivals []time.Time
	EachRequest(stampedReader(c), make([]byte, 64<<10), func(at time.Time) error {
		arrivals = append(arrivals, at)
		_, err := c.Write([]byte(Answer))
		return err
	})
	_ = c.Close() // all that was of use has been read
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrivals = append(t.arrivals, arrivals...)
	delete(t.open, c)
}

// EachRequest calls answer for each request without a body that comes, one after the other, with the time at which its end was read;
// until the connection ends, answer fails, or the buffer cannot hold a request.
func EachRequest(read func([]byte) (int, time.Time, error), buffer []byte, answer func(at time.Time) error) {
	for filled := 0; filled < len(buffer); {
		n, at, err := read(buffer[filled:])
		if err != nil || n == 0 {
			return
		}
		filled += n
		end := bytes.Index(buffer[:filled], []byte("\r\n\r\n"))
		if end < 0 {
			continue
		}
		filled = copy(buffer, buffer[end+4:filled])
		if answer(at) != nil {
			return
		}
	}
}
