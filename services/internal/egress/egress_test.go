package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One denied address among a name's addresses blocks the name, and nothing is dialled.
func TestDialBlocksNamesWithADeniedAddress(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	d := Dialer{Lookup: answers("127.0.0.1", "::ffff:169.254.169.254")}
	_, _, err := d.Dial(t.Context(), net.JoinHostPort("sneaky.example", portOf(listener)), nil)
	blocked := Blocked(err)
	if blocked == nil || blocked.Host != "sneaky.example" || !strings.Contains(err.Error(), "metadata") {
		t.Fatalf("Dial = %v, want a BlockedError for sneaky.example", err)
	}
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := listener.Accept(); err == nil {
		t.Error("the first, allowed address was dialled")
	}
}

func TestDialFallsBackToTheNextAddress(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	d := Dialer{Lookup: answers("127.0.0.2", "127.0.0.1")}
	conn, timing, err := d.Dial(t.Context(), net.JoinHostPort("two.example", portOf(listener)), nil)
	if err != nil {
		t.Fatalf("Dial = %v, want the second address", err)
	}
	defer conn.Close()
	if got := conn.RemoteAddr().String(); got != listener.Addr().String() {
		t.Errorf("dialled %s, want %s", got, listener.Addr())
	}
	if timing.DNS <= 0 || timing.Dial <= 0 {
		t.Errorf("timing = %+v, want both steps measured", timing)
	}
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	listener := listen(t)
	refused := listener.Addr().String()
	_ = listener.Close()
	var d Dialer
	if _, _, err := d.Dial(t.Context(), refused, nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial of a closed port = %v, want ECONNREFUSED", err)
	}
	var dns *net.DNSError
	d.Lookup = func(context.Context, string) ([]netip.Addr, error) { return nil, nil }
	if _, _, err := d.Dial(t.Context(), "empty.example:80", nil); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("Dial of a name without addresses = %v, want a DNSError that says not found", err)
	}
	if _, _, err := d.Dial(t.Context(), "no-port", nil); err == nil {
		t.Error("Dial without a port = nil, want an error")
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func answers(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var all []netip.Addr
		for _, a := range addrs {
			all = append(all, netip.MustParseAddr(a))
		}
		return all, nil
	}
}

// A dialer that was given its own way to connect gets the addresses that were checked, and none that is denied.
func TestDialContext(t *testing.T) {
	t.Parallel()
	var dialled []string
	d := Dialer{Policy: Everything(), Lookup: answers("192.0.2.1", "192.0.2.2"), DialContext: func(_ context.Context, network, address string) (net.Conn, error) {
		dialled = append(dialled, network+" "+address)
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}}
	if _, _, err := d.Dial(t.Context(), "two.example:80", nil); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial = %v, want what DialContext said", err)
	}
	if want := []string{"tcp 192.0.2.1:80", "tcp 192.0.2.2:80"}; !slices.Equal(dialled, want) {
		t.Errorf("dialled %v, want %v", dialled, want)
	}
	dialled = nil
	d.Lookup = answers("192.0.2.1", "169.254.169.254")
	if _, _, err := d.Dial(t.Context(), "sneaky.example:80", nil); Blocked(err) == nil || len(dialled) > 0 {
		t.Errorf("Dial = %v after dialling %v, want a BlockedError and nothing dialled", err, dialled)
	}
}
