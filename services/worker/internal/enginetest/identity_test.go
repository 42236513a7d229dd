package enginetest

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

func newCertificates(t *testing.T) *target.Certificates {
	t.Helper()
	c, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// identity is TLS options with a client's certificate of the issuer, or without one, that trust the target's authority.
func identity(t *testing.T, authority, issuer *target.Certificates) plan.TLSOptions {
	t.Helper()
	options := plan.TLSOptions{CAPEM: string(authority.CAPEM)}
	if issuer == nil {
		return options
	}
	certPEM, keyPEM, err := issuer.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	options.CertPEM, options.KeyPEM = string(certPEM), plan.Secret(keyPEM)
	return options
}

// A target that demands a certificate gets the plan's. Whom it does not take it tells so with an alert, in the handshake or, with
// TLS 1.3, after it, when the request may have been written: each slot ends as TLS_ALERT, and no request is seen.
func TestClientCertificates(t *testing.T) { onEach(t, testClientCertificates) }

func testClientCertificates(t *testing.T, e engine) {
	t.Parallel()
	good, other := newCertificates(t), newCertificates(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			name   string
			issuer *target.Certificates
			config *tls.Config
			want   outcome.Class
		}{
			{"the right one", good, good.ServeVerified(), outcome.NoError},
			{"one that nobody asks for", good, good.Config, outcome.NoError},
			{"anybody's", other, good.ServeAlert(), outcome.NoError},
			{"a stranger's", other, good.ServeVerified(), outcome.TLSAlert},
			{"none", nil, good.ServeVerified(), outcome.TLSAlert},
		} {
			t.Run(fmt.Sprintf("%s, %s", tls.VersionName(version), tt.name), func(t *testing.T) {
				t.Parallel()
				const slots = 20
				config := tt.config.Clone()
				config.MaxVersion = version
				o := startOracle(t, target.OracleConfig{TLS: config})
				p := planFor(o.URL() + "/ok")
				p.HTTP.TLS, p.HTTP.TLSTimeout = identity(t, good, tt.issuer), 15*time.Second
				p.HTTP.RequestsPerConnection = 1
				s := e.newSender(t, p, nil)
				for slot := range int64(slots) {
					got := send(t, s, slot)
					if got.Error != tt.want {
						t.Fatalf("slot %d = %v (%s), want %v", slot, got.Error, got.Message, tt.want)
					}
					if got.Error == outcome.TLSAlert && !strings.Contains(got.Message, "remote error: tls: ") {
						t.Errorf("message = %q, want the target's alert", got.Message)
					}
				}
				want := int64(slots)
				if tt.want != outcome.NoError {
					want = 0
				}
				if o.Ledger().Total() != want || o.Connections() != slots {
					t.Errorf("the target saw %d requests on %d connections, want %d on %d", o.Ledger().Total(), o.Connections(), want, slots)
				}
			})
		}
	}
}

// The first connection to an origin has a handshake of its own, and those after it resume its session, unless the target keeps
// none. The outcome says which it was.
func TestSessionsAreResumed(t *testing.T) { onEach(t, testSessionsAreResumed) }

func testSessionsAreResumed(t *testing.T, e engine) {
	t.Parallel()
	certificates := newCertificates(t)
	for _, tt := range []struct {
		name     string
		version  uint16
		disabled bool
		verified bool
	}{
		{"TLS 1.2", tls.VersionTLS12, false, false},
		{"TLS 1.3", tls.VersionTLS13, false, false},
		{"TLS 1.3 with a client certificate", tls.VersionTLS13, false, true},
		{"no tickets", tls.VersionTLS13, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := certificates.Config.Clone()
			if tt.verified {
				config = certificates.ServeVerified()
			}
			config.MaxVersion, config.SessionTicketsDisabled = tt.version, tt.disabled
			o := startOracle(t, target.OracleConfig{TLS: config})
			p := planFor(o.URL() + "/ok")
			p.HTTP.TLS, p.HTTP.TLSTimeout = identity(t, certificates, certificates), 15*time.Second
			p.HTTP.RequestsPerConnection = 1
			c := e.newClient(t, p, nil)
			for slot := range int64(10) {
				s := c.Sender() // sessions are the call's, whoever of its senders began them
				got := send(t, s, slot)
				s.Close()
				if got.Error != outcome.NoError || got.Connection == nil {
					t.Fatalf("slot %d = %v (%s) on %+v, want a response on a new connection", slot, got.Error, got.Message, got.Connection)
				}
				if want := slot > 0 && !tt.disabled; got.Connection.TLSResumed != want {
					t.Errorf("slot %d resumed a session: %v, want %v", slot, got.Connection.TLSResumed, want)
				}
			}
		})
	}
}
