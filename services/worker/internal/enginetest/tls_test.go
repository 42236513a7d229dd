package enginetest

import (
	"context"
	"crypto/tls"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// witness notes the handshakes of a server.
type witness struct {
	mu     sync.Mutex
	states []tls.ConnectionState // guarded by mu
}

func (w *witness) watch(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.VerifyConnection = func(state tls.ConnectionState) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.states = append(w.states, state)
		return nil
	}
	return config
}

// Every connection of a call but the first resumes the TLS session, and names the host that it is for.
func TestSessionsAndServerNames(t *testing.T) { onEach(t, testSessionsAndServerNames) }

func testSessionsAndServerNames(t *testing.T, e engine) {
	t.Parallel()
	loopback := &egress.Dialer{Policy: egress.Everything(), Lookup: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	certificates, err := target.NewCertificates("one.example", "two.example", "xn--bcher-kva.example", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, host, serverName, want string
		version                      uint16
	}{
		{"TLS 1.3", "one.example", "", "one.example", tls.VersionTLS13},
		{"TLS 1.2", "one.example", "", "one.example", tls.VersionTLS12},
		{"an address", "127.0.0.1", "", "", tls.VersionTLS13},
		{"another name", "one.example", "two.example", "two.example", tls.VersionTLS13},
		{"an international name", "b\u00fccher.example", "", "xn--bcher-kva.example", tls.VersionTLS13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var w witness
			config := w.watch(certificates.Config)
			config.MaxVersion = tt.version
			o := startOracle(t, target.OracleConfig{TLS: config})
			p := planFor(strings.Replace(o.URL(), "127.0.0.1", tt.host, 1) + "/ok")
			p.HTTP.TLS = plan.TLSOptions{CAPEM: string(certificates.CAPEM), ServerName: tt.serverName}
			p.HTTP.RequestsPerConnection = 2
			s := e.newSender(t, p, loopback)
			for slot := range int64(10) {
				if got := send(t, s, slot); got.Error != outcome.NoError || (got.Connection != nil) != (slot%2 == 0) {
					t.Fatalf("slot %d = %v (%s) on %+v, want two on each connection", slot, got.Error, got.Message, got.Connection)
				}
			}
			if len(w.states) != 5 {
				t.Fatalf("%d handshakes, want 5", len(w.states))
			}
			for i, state := range w.states {
				if state.DidResume != (i > 0) || state.ServerName != tt.want || state.NegotiatedProtocol != "http/1.1" || state.Version != tt.version {
					t.Errorf("handshake %d: resumed %v, for %q and %q in %x", i, state.DidResume, state.ServerName, state.NegotiatedProtocol, state.Version)
				}
			}
		})
	}
}

// With TLS every script has the class that it has without.
func TestTLSChangesNoClass(t *testing.T) { onEach(t, testTLSChangesNoClass) }

func testTLSChangesNoClass(t *testing.T, e engine) {
	t.Parallel()
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	o := startOracle(t, target.OracleConfig{TLS: certificates.Config})
	for script, want := range map[string]outcome.Class{
		"/ok": outcome.NoError, "/http10": outcome.NoError, "/chunked/1000": outcome.NoError, "/bytes/1000000": outcome.NoError, "/1xx/5": outcome.NoError,
		"/close": outcome.NoError, "/close-announced": outcome.NoError, "/redirect/3": outcome.NoError,
		"/reset": outcome.ConnReset, "/eof": outcome.ConnEOF, "/reset-in-head": outcome.ConnReset, "/reset-in-body": outcome.BodyReset,
		"/truncated": outcome.BodyTruncated, "/truncated-chunk": outcome.BodyTruncated, "/bad-chunk": outcome.BodyChunk,
		"/garbage": outcome.ProtoMalformed, "/huge-head": outcome.ProtoHeadTooLarge, "/1xx-flood": outcome.ProtoHeadTooLarge,
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			p := planFor(o.URL() + script)
			p.HTTP.TLS.CAPEM, p.HTTP.RequestsPerConnection = string(certificates.CAPEM), 1
			s := e.newSender(t, p, nil)
			for slot := range int64(3) {
				if got := send(t, s, slot); got.Error != want {
					t.Errorf("slot %d = %v (%s), want %v", slot, got.Error, got.Message, want)
				}
			}
		})
	}
}
