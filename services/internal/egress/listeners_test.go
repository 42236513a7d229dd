package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// The worker's own listeners are out of reach, in whatever form their address is written, and with every policy.
func TestOwnListeners(t *testing.T) {
	t.Parallel()
	own := listen(t)
	d := Dialer{Policy: Everything(), Lookup: answers("127.0.0.1")}
	if conn, _, err := d.Dial(t.Context(), own.Addr().String(), nil); err != nil {
		t.Fatalf("Dial() = %v, want a connection while it is nobody's own", err)
	} else {
		_ = conn.Close()
	}
	d.DenyListener(own.Addr())
	d.DenyListener(own.Addr()) // once is enough
	d.DenyListener(&net.UnixAddr{Name: "fanout.sock", Net: "unix"})
	port := portOf(own)
	for _, host := range []string{"127.0.0.1", "::ffff:127.0.0.1", "localhost", "own.example", "2002:7f00:1::", "64:ff9b::7f00:1"} {
		_, _, err := d.Dial(t.Context(), net.JoinHostPort(host, port), nil)
		if blocked := Blocked(err); blocked == nil || !strings.Contains(blocked.Error(), "the worker listens there itself") {
			t.Errorf("Dial(%s) = %v, want it denied", host, err)
		}
	}
	if conn, _, err := d.Dial(t.Context(), listen(t).Addr().String(), nil); err != nil {
		t.Errorf("Dial() of another listener = %v, want a connection", err)
	} else {
		_ = conn.Close()
	}
}

// A listener on an unspecified address is on every address of this machine, at its port alone.
func TestListenersEverywhere(t *testing.T) {
	t.Parallel()
	d := Dialer{Policy: Everything()}
	d.DenyListener(&net.TCPAddr{IP: net.IPv6unspecified, Port: 7070})
	here := []string{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		here = append(here, a.(*net.IPNet).IP.String())
	}
	for _, host := range here {
		addr := netip.MustParseAddr(host)
		if blocked := d.guard(host, 7070, nil).check(addr); blocked == nil {
			t.Errorf("%s at port 7070 is allowed, want it denied", host)
		}
		if blocked := d.guard(host, 7071, nil).check(addr); blocked != nil {
			t.Errorf("%s at port 7071 = %v, want it allowed", host, blocked)
		}
	}
	if blocked := d.guard("203.0.113.1", 7070, nil).check(netip.MustParseAddr("203.0.113.1")); blocked != nil {
		t.Errorf("another machine at port 7070 = %v, want it allowed", blocked)
	}
}

// The address that a socket really gets is checked once more, at the moment that it connects.
func TestCheckedAgainAtTheSocket(t *testing.T) {
	t.Parallel()
	target := listen(t)
	d := Dialer{Policy: policy(t, "10.0.0.0/8")}
	g := d.guard("10.0.0.1", 80, nil)
	elsewhere := netip.MustParseAddrPort(target.Addr().String())
	if err := g.control(t.Context(), "tcp4", "10.0.0.1:80", nil); err != nil {
		t.Errorf("control() of the address that was checked = %v", err)
	}
	for _, address := range []string{"127.0.0.1:80", "10.0.0.1:81", "[::1]:80", "169.254.169.254:80", "[fe80::1%1]:80", "", "10.0.0.1"} {
		if err := g.control(t.Context(), "tcp", address, nil); err == nil {
			t.Errorf("control(%q) = nil, want it refused", address)
		}
	}
	// A dial that goes where nobody had checked fails, and no packet leaves.
	_, err := d.dialOne(context.Background(), d.guard("10.0.0.1", elsewhere.Port(), nil), elsewhere, 1)
	if blocked := Blocked(err); blocked == nil || blocked.Addr != elsewhere.Addr() {
		t.Errorf("dialOne(%v) = %v, want a BlockedError", elsewhere, err)
	}
}
