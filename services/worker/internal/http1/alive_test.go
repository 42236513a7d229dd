package http1

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// secureTarget is a target that speaks TLS, and the authority to trust.
func secureTarget(t testing.TB, change func(*tls.Config), serve func(*peer)) (o *rawTarget, caPEM string) {
	t.Helper()
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	config := certificates.Config
	if change != nil {
		change(config)
	}
	o = newTarget(t, func(p *peer) {
		secure := tls.Server(p.Conn, config)
		if secure.Handshake() == nil {
			serve(&peer{Conn: secure, in: p.in})
		}
	})
	return o, string(certificates.CAPEM)
}

// Whether a connection that has rested lives is found out without waiting: it does not when it has ended, in whichever way, nor
// when something came that nobody has asked for.
func TestConnectionsThatLive(t *testing.T) {
	t.Parallel()
	then := func(rested chan struct{}, act func(*peer)) func(*peer) {
		return func(p *peer) {
			p.request()
			p.send(okay)
			<-rested
			act(p)
			p.request()
		}
	}
	for _, tt := range []struct {
		name string
		act  func(*peer)
		want bool
	}{
		{"silent", func(*peer) {}, true},
		{"says more", func(p *peer) { p.send("x") }, false},
		{"says a whole response", func(p *peer) { p.send(okay) }, false},
		{"closes its half", func(p *peer) { _ = p.Conn.(interface{ CloseWrite() error }).CloseWrite() }, false},
		{"closes", func(p *peer) { _ = p.Close() }, false},
		{"resets", func(p *peer) {
			c := p.Conn
			if secure, ok := c.(*tls.Conn); ok {
				c = secure.NetConn()
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}, false},
	} {
		for name, change := range map[string]func(*tls.Config){
			"plain": nil, "TLS 1.3": func(*tls.Config) {}, "TLS 1.2": func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				t.Parallel()
				rested := make(chan struct{})
				rest := sync.OnceFunc(func() { close(rested) })
				defer rest()
				o, caPEM, scheme := (*rawTarget)(nil), "", "http"
				if change == nil {
					o = newTarget(t, then(rested, tt.act))
				} else {
					o, caPEM = secureTarget(t, change, then(rested, tt.act))
					scheme = "https"
				}
				p := planFor(scheme + "://" + o.Addr().String() + "/")
				p.HTTP.TLS.CAPEM = caPEM
				s := newSender(t, mustNew(p, nil))
				if got := send(t, s, 0); got.Error != outcome.NoError || s.held == nil {
					t.Fatalf("outcome = %+v, want a response, and the connection kept", got)
				}
				c, now := s.held, s.held.rested
				rest()
				if !c.isAlive(now + stale - 1) {
					t.Error("isAlive() = false after less than a look is worth")
				}
				begin := time.Now()
				got := c.isAlive(now + stale)
				for !tt.want && got && time.Since(begin) < 5*time.Second { // it is on its way
					time.Sleep(time.Millisecond)
					got = c.isAlive(now + stale)
				}
				if got != tt.want {
					t.Fatalf("isAlive() = %v, want %v", got, tt.want)
				}
				if !tt.want {
					return
				}
				// To look has changed nothing, and was not what kept it from ending.
				for range 3 {
					if !c.isAlive(now + stale) {
						t.Fatal("isAlive() = false when asked again")
					}
				}
				o.stop()
				if c.isAlive(now + stale) {
					t.Error("isAlive() = true after the target has gone")
				}
			})
		}
	}
}

// The tickets of TLS 1.3 come after the handshake, when they want to. They are not what nobody has asked for: a connection that
// rests carries the next request, also when they are all that it has received in the meantime.
func TestTicketsAreNothingUnasked(t *testing.T) {
	t.Parallel()
	o, caPEM := secureTarget(t, nil, func(p *peer) { // the handshake has sent them
		for p.request() {
			p.send(okay)
		}
	})
	p := planFor("https://" + o.Addr().String() + "/")
	p.HTTP.TLS.CAPEM = caPEM
	client := mustNew(p, nil)
	s := newSender(t, client)
	opened, failure := client.open(t.Context(), client.requests[0].origin, time.Since(epoch)+time.Minute)
	if failure != nil {
		t.Fatal(failure.Err)
	}
	s.held = opened
	begin := time.Now()
	for looks := 0; looks < 10 || time.Since(begin) < 20*time.Millisecond; looks++ { // until they are there
		if !s.held.isAlive(1 << 62) {
			t.Fatal("isAlive() = false on a new connection")
		}
	}
	for slot := range int64(3) {
		if got := send(t, s, slot); got.Error != outcome.NoError || got.Connection != nil {
			t.Errorf("slot %d = %+v, want a response on the same connection", slot, got)
		}
		time.Sleep(2 * stale)
	}
	if o.accepted() != 1 {
		t.Errorf("%d connections, want 1", o.accepted())
	}
}
