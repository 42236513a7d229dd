package enginetest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// nameServer answers every question with the code, or not at all; it returns a dialer that asks it.
func nameServer(t *testing.T, code dnsmessage.RCode, silent bool) *egress.Dialer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buffer[:n]) != nil || silent {
				continue
			}
			m.Response, m.RecursionAvailable, m.RCode, m.Additionals = true, true, code, nil
			if answer, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	})
	// A question that nobody waits for any more goes on for seconds, and is asked again, unless its connection is cut.
	var (
		mu    sync.Mutex
		over  bool       // guarded by mu
		asked []net.Conn // guarded by mu
	)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return nil, net.ErrClosed
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "udp", conn.LocalAddr().String())
		if err == nil {
			asked = append(asked, c)
		}
		return c, err
	}}
	t.Cleanup(func() {
		_ = conn.Close()
		running.Wait()
		mu.Lock()
		defer mu.Unlock()
		over = true
		for _, c := range asked {
			_ = c.Close()
		}
	})
	return &egress.Dialer{Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return resolver.LookupNetIP(ctx, "ip", host)
	}}
}

// What a name server says, or that it says nothing, is the class of every slot that asked it. None of them is delivered, and no
// message names the server.
func TestNameServers(t *testing.T) { onEach(t, testNameServers) }

func testNameServers(t *testing.T, e engine) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		code   dnsmessage.RCode
		silent bool
		want   outcome.Class
	}{
		{"no such name", dnsmessage.RCodeNameError, false, outcome.DNSNotFound},
		{"a name without addresses", dnsmessage.RCodeSuccess, false, outcome.DNSNotFound},
		{"a server that fails", dnsmessage.RCodeServerFailure, false, outcome.DNSOther},
		{"a server that refuses", dnsmessage.RCodeRefused, false, outcome.DNSOther},
		{"a server that is silent", 0, true, outcome.DNSTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := planFor("http://host.example./")
			p.HTTP.DialTimeout = time.Second
			s := e.newSender(t, p, nameServer(t, tt.code, tt.silent))
			slots := 20
			if tt.silent {
				slots = 2
			}
			for slot := range int64(slots) {
				if got := send(t, s, slot); got.Error != tt.want || got.Message == "" {
					t.Errorf("slot %d = %v (%s), want %v", slot, got.Error, got.Message, tt.want)
				}
			}
		})
	}
}
