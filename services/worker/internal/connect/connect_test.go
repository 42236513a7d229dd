package connect

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tlsServer speaks TLS, says nothing, and notes what it was asked for.
type tlsServer struct {
	net.Listener
	running sync.WaitGroup

	mu      sync.Mutex
	states  []tls.ConnectionState // guarded by mu, of each connection whose handshake succeeded
	started int                   // guarded by mu
	ended   int                   // guarded by mu; connections that the client closed
}

func newTLSServer(t *testing.T, config *tls.Config) *tlsServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &tlsServer{Listener: l}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.running.Go(func() { s.serve(c, config) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.running.Wait() // every connection was closed by the client, or this would hang
		if s.started != s.ended {
			t.Errorf("%d of %d connections were closed", s.ended, s.started)
		}
	})
	return s
}

func (s *tlsServer) serve(c net.Conn, config *tls.Config) {
	defer c.Close()
	s.mu.Lock()
	s.started++
	s.mu.Unlock()
	secure := tls.Server(c, config)
	if secure.Handshake() == nil {
		s.mu.Lock()
		s.states = append(s.states, secure.ConnectionState())
		s.mu.Unlock()
		_, _ = io.Copy(io.Discard, secure)
	}
	_, _ = io.Copy(io.Discard, c)
	s.mu.Lock()
	s.ended++
	s.mu.Unlock()
}

// last is the last connection's state.
func (s *tlsServer) last() tls.ConnectionState {
	for {
		s.mu.Lock()
		if n := len(s.states); n > 0 {
			last := s.states[n-1]
			s.states = nil
			s.mu.Unlock()
			return last
		}
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}

func certificates(t *testing.T, hosts ...string) *target.Certificates {
	t.Helper()
	c, err := target.NewCertificates(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connector(t *testing.T, options plan.HTTPOptions, dialer *egress.Dialer) *Connector {
	t.Helper()
	if options.DialTimeout == 0 {
		options.DialTimeout, options.TLSTimeout = 5*time.Second, 5*time.Second
	}
	c, err := New(&plan.Plan{HTTP: options}, dialer, Watch{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// toLoopback is a dialer for which every name is this machine's.
func toLoopback() *egress.Dialer {
	return &egress.Dialer{Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
}

// The server is told the name for which it is asked, in its ASCII form, and never an address; it must have that name's
// certificate.
func TestServerNames(t *testing.T) {
	t.Parallel()
	names := certificates(t, "a.example", "xn--bcher-kva.example", "127.0.0.1")
	for _, tt := range []struct{ host, serverName, want string }{
		{"a.example", "", "a.example"},
		{"xn--bcher-kva.example", "", "xn--bcher-kva.example"},
		{"127.0.0.1", "", ""},
		{"127.0.0.1", "a.example", "a.example"},
		{"other.example", "a.example", "a.example"},
	} {
		s := newTLSServer(t, names.Config)
		_, port, _ := net.SplitHostPort(s.Addr().String())
		c := connector(t, plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: string(names.CAPEM), ServerName: tt.serverName}}, toLoopback())
		conn, opened, failure := c.Open(t.Context(), Origin{"https", net.JoinHostPort(tt.host, port)}, nil)
		if failure != nil {
			t.Errorf("%s as %s: %v", tt.host, tt.serverName, failure.Err)
			continue
		}
		if got := s.last(); got.ServerName != tt.want || got.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s as %s: the server was asked for %q and %q, want %q and http/1.1", tt.host, tt.serverName, got.ServerName, got.NegotiatedProtocol, tt.want)
		}
		if opened.TLS <= 0 || opened.Dial <= 0 || opened.Protocol != "HTTP/1.1" || opened.Peer != s.Addr().String() {
			t.Errorf("connection = %+v, want its times and peer", opened)
		}
		_ = conn.Close()
	}
}

// The second connection of a call to an origin resumes the first one's session; another call's, and another name's, do not.
func TestSessionsAreResumed(t *testing.T) {
	t.Parallel()
	names := certificates(t, "a.example", "b.example")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := names.Config.Clone()
		config.MaxVersion = version
		s := newTLSServer(t, config)
		_, port, _ := net.SplitHostPort(s.Addr().String())
		one := connector(t, plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: string(names.CAPEM)}}, toLoopback())
		other := connector(t, plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: string(names.CAPEM)}}, toLoopback())
		for i, tt := range []struct {
			connector *Connector
			host      string
			want      bool
		}{
			{one, "a.example", false},
			{one, "a.example", true},
			{one, "a.example", true},
			{one, "b.example", false},
			{one, "b.example", true},
			{other, "a.example", false},
			{other, "a.example", true},
		} {
			conn, _, failure := tt.connector.Open(t.Context(), Origin{"https", net.JoinHostPort(tt.host, port)}, nil)
			if failure != nil {
				t.Fatal(failure.Err)
			}
			if got := s.last().DidResume; got != tt.want {
				t.Errorf("TLS %x, connection %d: resumed %v, want %v", version, i, got, tt.want)
			}
			// The tickets of TLS 1.3 come with the first read.
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
	}
}

// What fails says how far it got, and leaves nothing open.
func TestOpeningThatFails(t *testing.T) {
	t.Parallel()
	good, other := certificates(t), certificates(t)
	s := newTLSServer(t, good.Config)
	silent := newTLSServer(t, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		_, _ = io.Copy(io.Discard, hello.Conn) // until the client gives up
		return nil, errors.New("nobody waits")
	}})
	failing := &egress.Dialer{Lookup: func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	options := plan.HTTPOptions{DialTimeout: 5 * time.Second, TLSTimeout: 5 * time.Second, TLS: plan.TLSOptions{CAPEM: string(good.CAPEM)}}
	mistrusting, impatient := options, options
	mistrusting.TLS.CAPEM = string(other.CAPEM)
	impatient.DialTimeout, impatient.TLSTimeout = 50*time.Millisecond, 50*time.Millisecond
	for _, tt := range []struct {
		name    string
		options plan.HTTPOptions
		dialer  *egress.Dialer
		address string
		phase   errclass.Phase
		cause   error
	}{
		{"unknown authority", mistrusting, toLoopback(), s.Addr().String(), errclass.Handshake, nil},
		{"silence", impatient, toLoopback(), silent.Addr().String(), errclass.Handshake, errclass.ErrTimeout},
		{"a name server that is silent", impatient, failing, "a.example:443", errclass.Connect, errclass.ErrTimeout},
		{"nobody listens", options, toLoopback(), "127.0.0.1:1", errclass.Connect, nil},
	} {
		conn, opened, failure := connector(t, tt.options, tt.dialer).Open(t.Context(), Origin{"https", tt.address}, nil)
		if conn != nil || opened != nil || failure == nil || failure.Phase != tt.phase || !errors.Is(failure.Cause, tt.cause) {
			t.Errorf("%s: Open() = %v, %v, %+v, want phase %d and cause %v", tt.name, conn, opened, failure, tt.phase, tt.cause)
		}
	}
}

func TestWrapIsBelowTLS(t *testing.T) {
	t.Parallel()
	good := certificates(t)
	s := newTLSServer(t, good.Config)
	var wrapped []net.Conn
	c := connector(t, plan.HTTPOptions{TLS: plan.TLSOptions{InsecureSkipVerify: true}}, toLoopback())
	for _, scheme := range []string{"http", "https"} {
		conn, opened, failure := c.Open(t.Context(), Origin{scheme, s.Addr().String()}, func(raw net.Conn) net.Conn {
			wrapped = append(wrapped, raw)
			return struct{ net.Conn }{raw}
		})
		if failure != nil {
			t.Fatal(failure.Err)
		}
		if (opened.TLS > 0) != (scheme == "https") {
			t.Errorf("%s: %+v", scheme, opened)
		}
		_ = conn.Close()
	}
	if len(wrapped) != 2 || slices.ContainsFunc(wrapped, func(c net.Conn) bool { _, ok := c.(*net.TCPConn); return !ok }) {
		t.Errorf("wrap got %v, want two TCP connections", wrapped)
	}
}

func TestAuthoritiesThatAreNone(t *testing.T) {
	t.Parallel()
	if _, err := New(&plan.Plan{HTTP: plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: "none"}}}, toLoopback(), Watch{}); err == nil {
		t.Error("New() took an authority that is none")
	}
}
