package enginetest

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// rebinder is a name server that answers each question for an address of IPv4 with the next of its answers, and has none of IPv6.
type rebinder struct {
	conn    net.PacketConn
	answers [][]string
	asked   atomic.Int64 // for an address of IPv4
}

// startRebinder starts a name server, and returns a way to look names up there.
func startRebinder(t *testing.T, answers [][]string) (*rebinder, func(context.Context, string) ([]netip.Addr, error)) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rebinder{conn: conn, answers: answers}
	var running sync.WaitGroup
	running.Go(r.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		running.Wait()
	})
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	return r, func(ctx context.Context, host string) ([]netip.Addr, error) {
		return resolver.LookupNetIP(ctx, "ip", host)
	}
}

func (r *rebinder) serve() {
	buffer := make([]byte, 1500)
	for {
		n, from, err := r.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			for _, addr := range r.answers[int(r.asked.Add(1)-1)%len(r.answers)] {
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, // to be kept for 0 s
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(addr).As4()},
				})
			}
		}
		if answer, err := m.Pack(); err == nil {
			_, _ = r.conn.WriteTo(answer, from)
		}
	}
}

// A name that stands for another address each time is asked for once for each connection, and that answer is what is checked and dialled:
// what must not be reached is not, whatever came before.
func TestRebinding(t *testing.T) { onEach(t, testRebinding) }

func testRebinding(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	_, port, _ := net.SplitHostPort(o.Addr())
	forbidden, err := target.StartOracle(target.OracleConfig{Addr: "127.0.0.2:" + port})
	if err != nil {
		t.Skip("this machine has one loopback address only: ", err)
	}
	t.Cleanup(func() { _ = forbidden.Close() })
	answers := [][]string{
		{"127.0.0.1"}, {"127.0.0.2"}, {"127.0.0.1"}, {"169.254.169.254"}, {"127.0.0.2", "127.0.0.1"}, {"127.0.0.1", "169.254.169.254"}, {"0.0.0.0"}, {"127.0.0.2", "169.254.7.7"},
	}
	want := []string{"200", "which is 127.0.0.2, is not allowed", "200", "metadata", "200", "metadata", "unspecified", "which is 127.0.0.2, is not allowed"}
	server, lookup := startRebinder(t, answers)
	policy, err := egress.ParsePolicy([]string{"rebind.example", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	p := planFor("http://rebind.example:" + port + "/ok")
	p.HTTP.RequestsPerConnection = 1
	s := e.newSender(t, p, &egress.Dialer{Policy: policy, Lookup: lookup})
	reached := int64(0)
	for slot := range int64(2 * len(want)) {
		got, want := send(t, s, slot), want[int(slot)%len(want)]
		if want == "200" {
			if reached++; got.Status != 200 || got.Connection == nil || got.Connection.Peer != o.Addr() {
				t.Errorf("slot %d = %v (%s), want a response of %s", slot, got.Error, got.Message, o.Addr())
			}
			continue
		}
		if got.Error != outcome.PolicyBlocked || !strings.Contains(got.Message, want) {
			t.Errorf("slot %d = %v (%s), want it blocked: %s", slot, got.Error, got.Message, want)
		}
	}
	if n := server.asked.Load(); n != int64(2*len(want)) {
		t.Errorf("the name server was asked %d times, want once for each of %d connections", n, 2*len(want))
	}
	if o.Connections() != reached || forbidden.Connections() != 0 {
		t.Errorf("the target saw %d connections and what must not be reached %d, want %d and none", o.Connections(), forbidden.Connections(), reached)
	}
}

// A name that may stand for anything but what is near, and that stands for this machine from the second time on, is blocked then.
func TestRebindingToLoopback(t *testing.T) { onEach(t, testRebindingToLoopback) }

func testRebindingToLoopback(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	_, port, _ := net.SplitHostPort(o.Addr())
	_, lookup := startRebinder(t, [][]string{{"10.0.0.1"}, {"127.0.0.1"}})
	policy, err := egress.ParsePolicy([]string{"rebind.example"})
	if err != nil {
		t.Fatal(err)
	}
	var dialled []string // by one sender
	d := &egress.Dialer{Policy: policy, Lookup: lookup, DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled = append(dialled, address)
		return nil, errors.New("that network is not here")
	}}
	s := e.newSender(t, planFor("http://rebind.example:"+port+"/ok"), d)
	for slot := range int64(4) {
		if got := send(t, s, slot); (got.Error == outcome.PolicyBlocked) != (slot%2 == 1) {
			t.Errorf("slot %d = %v (%s), want every second one blocked", slot, got.Error, got.Message)
		}
	}
	if got := strings.Join(dialled, " "); got != "10.0.0.1:"+port+" 10.0.0.1:"+port || o.Connections() != 0 {
		t.Errorf("dialled %s, and %d connections here, want what was allowed alone", got, o.Connections())
	}
}

// No engine asks a proxy of the environment, which would dial for it and know no guard.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	proxy := startOracle(t, target.OracleConfig{})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy.URL())
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	o := startOracle(t, target.OracleConfig{})
	_, port, _ := net.SplitHostPort(o.Addr())
	for i, e := range engines {
		d := &egress.Dialer{Lookup: func(context.Context, string) ([]netip.Addr, error) { // net/http itself never asks a proxy for a loopback address
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		}}
		if got := send(t, e.newSender(t, planFor("http://proxied.example:"+port+"/ok"), d), int64(i)); got.Status != 200 {
			t.Errorf("%s = %v (%s), want a response", e.name, got.Error, got.Message)
		}
	}
	if proxy.Connections() != 0 || o.Connections() != int64(len(engines)) {
		t.Errorf("the proxy saw %d connections and the target %d, want none and %d", proxy.Connections(), o.Connections(), len(engines))
	}
}
