package grpcserve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/access"
)

// authority signs certificates of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	made := a.sign(t, template)
	a.cert = made.Leaf
	a.pool.AddCert(a.cert)
	return a
}

// sign signs a certificate; the first one itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "not-the-identity"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer, a.key = template, key, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// A certificate is who its first name says; a line in the file says its role, else the server does.
func TestCertificates(t *testing.T) {
	t.Parallel()
	control, byRole, path := tokens(t)
	spiffe, err := url.Parse("spiffe://fanout.test/boss")
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]access.Role{spiffe.String(): access.Admin, "looker.test": access.Reader} {
		if err := access.Add(path, access.Entry{Name: name, Role: role, Cert: true}); err != nil {
			t.Fatal(err)
		}
	}
	file, err := access.Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	control.Tokens = file
	ours, theirs := newAuthority(t), newAuthority(t)
	server := ours.sign(t, &x509.Certificate{DNSNames: []string{"server.test"}})
	for _, tt := range []struct {
		name     string
		template *x509.Certificate // nil: none
		certRole access.Role
		token    string
		stopAll  codes.Code
		fanOut   codes.Code
		subject  string // that a refusal names
	}{
		{"a URI, named as an admin", &x509.Certificate{URIs: []*url.URL{spiffe}, DNSNames: []string{"looker.test"}}, access.Runner, "", codes.Unimplemented, codes.Unimplemented, ""},
		{"a DNS name, named as a reader", &x509.Certificate{DNSNames: []string{"looker.test", "other.test"}}, access.Admin, "", codes.PermissionDenied, codes.PermissionDenied, "looker.test has the role reader"},
		{"not named", &x509.Certificate{DNSNames: []string{"other.test"}}, access.Runner, "", codes.PermissionDenied, codes.Unimplemented, "other.test has the role runner"},
		{"not named, and none by default", &x509.Certificate{DNSNames: []string{"other.test"}}, access.None, "", codes.PermissionDenied, codes.PermissionDenied, "other.test has the role none"},
		{"an e-mail address", &x509.Certificate{EmailAddresses: []string{"ann@fanout.test"}}, access.Runner, "", codes.PermissionDenied, codes.Unimplemented, "ann@fanout.test has the role runner"},
		{"no name", &x509.Certificate{}, access.Admin, "", codes.Unauthenticated, codes.Unauthenticated, ""},
		{"a wildcard", &x509.Certificate{DNSNames: []string{"*.fanout.test"}}, access.Admin, "", codes.Unauthenticated, codes.Unauthenticated, ""},
		{"none", nil, access.Admin, "", codes.Unauthenticated, codes.Unauthenticated, ""},
		{"none, but a token", nil, access.None, byRole["admin"], codes.Unimplemented, codes.Unimplemented, ""},
		{"a token before a certificate", &x509.Certificate{URIs: []*url.URL{spiffe}}, access.Admin, byRole["reader"], codes.PermissionDenied, codes.PermissionDenied, "the-reader has the role reader"},
		{"an unknown token, with a good certificate", &x509.Certificate{URIs: []*url.URL{spiffe}}, access.Admin, access.NewToken(), codes.Unauthenticated, codes.Unauthenticated, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := serveGuarded(t, Security{
				Credentials: credentials.NewTLS(&tls.Config{
					Certificates: []tls.Certificate{server}, ClientCAs: ours.pool, ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS13,
				}),
				Access: &access.Control{Tokens: file, CertRole: tt.certRole},
			})
			config := &tls.Config{RootCAs: ours.pool, MinVersion: tls.VersionTLS13}
			if tt.template != nil {
				config.Certificates = []tls.Certificate{ours.sign(t, tt.template)}
			}
			conn := g.dial(t, credentials.NewTLS(config))
			ctx := t.Context()
			if tt.token != "" {
				ctx = with(ctx, "Bearer "+tt.token)
			}
			err := call(ctx, conn, "/fanout.v1.WorkerService/StopAll", false)
			if status.Code(err) != tt.stopAll || tt.subject != "" && !strings.Contains(err.Error(), tt.subject) {
				t.Errorf("StopAll = %v, want %v naming %q", err, tt.stopAll, tt.subject)
			}
			if err := call(ctx, conn, "/fanout.v1.WorkerService/FanOut", true); status.Code(err) != tt.fanOut {
				t.Errorf("FanOut = %v, want %v", err, tt.fanOut)
			}
		})
	}
	t.Run("of another authority", func(t *testing.T) {
		t.Parallel()
		// A server that only asks for a certificate, and checks none: what nobody has checked is nobody's identity.
		g := serveGuarded(t, Security{
			Credentials: credentials.NewTLS(&tls.Config{
				Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
			}),
			Access: &access.Control{Tokens: file, CertRole: access.Admin},
		})
		conn := g.dial(t, credentials.NewTLS(&tls.Config{
			RootCAs: ours.pool, MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{theirs.sign(t, &x509.Certificate{URIs: []*url.URL{spiffe}})},
		}))
		if err := call(t.Context(), conn, getWorker, false); status.Code(err) != codes.Unauthenticated {
			t.Errorf("GetWorker = %v, want UNAUTHENTICATED", err)
		}
	})
}
