package http1

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// rawTarget is a target of which a test says every byte. It allocates nothing for a request.
type rawTarget struct {
	net.Listener
	running sync.WaitGroup
	mu      sync.Mutex
	conns   []net.Conn // guarded by mu
}

// peer is a connection at the target.
type peer struct {
	net.Conn
	in   []byte
	tail int
}

// newTarget starts a target that serves each connection with serve, which ends with it.
func newTarget(t testing.TB, serve func(*peer)) *rawTarget {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &rawTarget{Listener: l}
	o.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			o.mu.Lock()
			o.conns = append(o.conns, c)
			o.mu.Unlock()
			o.running.Go(func() {
				defer c.Close()
				serve(&peer{Conn: c, in: make([]byte, 4096)})
			})
		}
	})
	t.Cleanup(o.stop)
	return o
}

func (o *rawTarget) stop() {
	_ = o.Close()
	o.mu.Lock()
	for _, c := range o.conns {
		_ = c.Close()
	}
	o.mu.Unlock()
	o.running.Wait()
}

func (o *rawTarget) url() string { return "http://" + o.Addr().String() + "/" }

// accepted is how many connections there were.
func (o *rawTarget) accepted() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns)
}

// request reads a request without a body; false: there is none.
func (p *peer) request() bool { return p.heard(nil) }

// heard is request, and gives the head to hear.
func (p *peer) heard(hear func(head []byte)) bool {
	for {
		if end := bytes.Index(p.in[:p.tail], []byte("\r\n\r\n")); end >= 0 {
			if hear != nil {
				hear(p.in[:end+4])
			}
			p.tail = copy(p.in, p.in[end+4:p.tail])
			return true
		}
		n, err := p.Read(p.in[p.tail:])
		if p.tail += n; err != nil {
			return false
		}
	}
}

func (p *peer) send(s string) { _, _ = p.Write([]byte(s)) }

// answers answers each request with the same bytes.
func answers(response string) func(*peer) {
	out := []byte(response)
	return func(p *peer) {
		for p.request() {
			if _, err := p.Write(out); err != nil {
				return
			}
		}
	}
}

const (
	crlf = "\r\n"
	ok11 = "HTTP/1.1 200 OK" + crlf
	te   = "Transfer-Encoding: chunked" + crlf
)

// okay is a response as short as they are.
const okay = ok11 + "Content-Length: 3" + crlf + crlf + "ok\n"

// planFor is a plan that does not ask for more than figures.
func planFor(urls ...string) *plan.Plan {
	p := &plan.Plan{
		Load: plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 1}},
		HTTP: plan.HTTPOptions{DialTimeout: 20 * time.Second, TLSTimeout: 20 * time.Second},
	}
	for _, url := range urls {
		p.Requests = append(p.Requests, plan.Request{URL: url, Method: "GET", Weight: 1, Timeout: 20 * time.Second})
	}
	return p
}

// newSender is a sender of the client until the test's end.
func newSender(t testing.TB, c *Client) *Sender {
	t.Helper()
	s := c.Sender()
	t.Cleanup(func() {
		s.Close()
		c.Close()
	})
	return s
}

// send sends a slot now.
func send(t testing.TB, s *Sender, slot int64) outcome.Outcome {
	t.Helper()
	o := outcome.Outcome{Slot: slot, Due: s.client.now()}
	s.Send(t.Context(), &o)
	return o
}
