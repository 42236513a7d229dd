//go:build unix

package e2e

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy is a TCP link to one address that can break, and stand still.
type proxy struct {
	listener net.Listener
	to       string
	breaks   atomic.Int64 // times that at least one connection was cut

	running sync.WaitGroup
	mu      sync.Mutex
	closed  bool                  // guarded by mu, like what follows
	links   map[net.Conn]net.Conn // from the client's end to the server's
	frozen  chan struct{}         // nil: it moves
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", fixedAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, links: make(map[net.Conn]net.Conn)}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.carry(client) })
	}
}

func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", p.to, time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.links[client] = server
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			p.copy(way[1], way[0])
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	p.mu.Lock()
	delete(p.links, client)
	p.mu.Unlock()
}

func (p *proxy) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		frozen := p.frozen
		p.mu.Unlock()
		if frozen != nil {
			<-frozen
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks all connections that there are, with a reset.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.links) > 0 {
		p.breaks.Add(1)
	}
	for client, server := range p.links {
		for _, conn := range []net.Conn{client, server} {
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}
}

// freeze lets nothing through, without a word, until thaw; connections that are cut by either side stay cut.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen == nil {
		p.frozen = make(chan struct{})
	}
}

// thaw lets new connections through. What stood still is lost: it is cut.
func (p *proxy) thaw() {
	p.cut()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.frozen != nil {
		close(p.frozen)
		p.frozen = nil
	}
}

// breakUntil cuts the link again and again, each time after a pause from least to most, until done is closed.
func (p *proxy) breakUntil(done <-chan struct{}, chance *rand.Rand, least, most time.Duration) {
	for {
		pause := least + time.Duration(chance.Int64N(int64(most-least)))
		select {
		case <-done:
			return
		case <-time.After(pause):
			p.cut()
		}
	}
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.thaw()
	p.running.Wait()
}
