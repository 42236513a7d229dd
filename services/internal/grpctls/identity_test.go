package grpctls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

func TestNameOf(t *testing.T) {
	t.Parallel()
	uri := &url.URL{Scheme: "spiffe", Host: "example.test", Path: "/ci"}
	subject := pkix.Name{CommonName: "root"}
	for _, tt := range []struct {
		name string
		cert x509.Certificate
		want string
	}{
		{"all", x509.Certificate{Subject: subject, URIs: []*url.URL{uri, {Scheme: "x"}}, DNSNames: []string{"a", "b"}, EmailAddresses: []string{"c@d"}}, "spiffe://example.test/ci"},
		{"no URI", x509.Certificate{Subject: subject, DNSNames: []string{"a", "b"}, EmailAddresses: []string{"c@d"}}, "a"},
		{"a mail address", x509.Certificate{Subject: subject, EmailAddresses: []string{"c@d", "e@f"}}, "c@d"},
		{"an address", x509.Certificate{Subject: subject, IPAddresses: []net.IP{net.IPv6loopback}}, ""},
		{"a common name", x509.Certificate{Subject: subject}, ""},
	} {
		if got, ok := nameOf(&tt.cert); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: nameOf = %q, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
}

// A certificate that was shown and not verified names nobody.
func TestIdentityIsVerified(t *testing.T) {
	t.Parallel()
	cert := &x509.Certificate{DNSNames: []string{"alice"}}
	for _, tt := range []struct {
		name  string
		state tls.ConnectionState
		want  string
	}{
		{"none", tls.ConnectionState{}, ""},
		{"shown", tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}, ""},
		{"verified", tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}, "alice"},
	} {
		ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: tt.state}})
		if got, ok := Identity(ctx); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: Identity = %q, %v, want %q", tt.name, got, ok, tt.want)
		}
	}
	for name, ctx := range map[string]context.Context{"no call": t.Context(), "plaintext": peer.NewContext(t.Context(), &peer.Peer{})} {
		if got, ok := Identity(ctx); ok {
			t.Errorf("%s: Identity = %q, want none", name, got)
		}
	}
}
