package target_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/target"
)

func newCertificates(t testing.TB, hosts ...string) *target.Certificates {
	t.Helper()
	c, err := target.NewCertificates(hosts...)
	if err != nil {
		t.Fatalf("NewCertificates(%q): %v", hosts, err)
	}
	return c
}

// trusting returns a client that trusts the authority.
func trusting(t testing.TB, c *target.Certificates, versions uint16) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.CAPEM) {
		t.Fatal("CAPEM holds no certificate")
	}
	h := client(t)
	h.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, MaxVersion: versions}
	return h
}

func TestTLSIsServed(t *testing.T) {
	t.Parallel()
	certificates := newCertificates(t)
	o := startOracle(t, target.OracleConfig{TLS: certificates.Config})
	if !strings.HasPrefix(o.URL(), "https://127.0.0.1:") {
		t.Errorf("URL() = %q, want https", o.URL())
	}
	c := trusting(t, certificates, 0)
	for range 2 {
		if _, body := fetch(t, c, o.URL()+"/delay/10ms"); body != "ok\n" {
			t.Errorf("body = %q, want ok", body)
		}
	}
	if o.Connections() != 1 || o.Ledger().Total() != 2 {
		t.Errorf("%d connections, %d requests, want 1 and 2: a delay must leave TLS intact", o.Connections(), o.Ledger().Total())
	}
}

func TestBadTLS(t *testing.T) {
	t.Parallel()
	good := newCertificates(t)
	plainText := func(int64) target.AcceptAction { return target.AcceptPlainText }
	tests := []struct {
		name     string
		config   target.OracleConfig
		trust    *target.Certificates
		versions uint16
		as       func(error) bool
	}{
		{"unknown authority", target.OracleConfig{TLS: good.Config}, newCertificates(t), 0, isUnknownAuthority},
		{"expired", target.OracleConfig{TLS: good.Expired()}, good, 0, isExpired},
		{"client certificate, 1.3", target.OracleConfig{TLS: good.ServeAlert()}, good, 0, isAlert},
		{"client certificate, 1.2", target.OracleConfig{TLS: good.ServeAlert()}, good, tls.VersionTLS12, isAlert},
		{"plain text", target.OracleConfig{TLS: good.Config, OnAccept: plainText}, good, 0, isPlainText},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, test.config)
			for range 10 { // what races, shows
				requireError(t, trusting(t, test.trust, test.versions), o.URL()+"/ok", test.as)
			}
			if o.Ledger().Total() != 0 {
				t.Errorf("Total() = %d, want 0", o.Ledger().Total())
			}
		})
	}
}

// Only who has a certificate of the authority is served, with either version.
func TestServeVerified(t *testing.T) {
	t.Parallel()
	good, other := newCertificates(t), newCertificates(t)
	o := startOracle(t, target.OracleConfig{TLS: good.ServeVerified()})
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		with := func(c *target.Certificates) *http.Client {
			certPEM, keyPEM, err := c.Client("somebody")
			if err != nil {
				t.Fatal(err)
			}
			pair, err := tls.X509KeyPair(certPEM, keyPEM)
			if err != nil {
				t.Fatal(err)
			}
			client := trusting(t, good, version)
			client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &pair, nil
			}
			return client
		}
		if _, body := fetch(t, with(good), o.URL()+"/ok"); body != "ok\n" {
			t.Errorf("body = %q, want ok", body)
		}
		requireError(t, with(other), o.URL()+"/ok", isAlert)
		requireError(t, trusting(t, good, version), o.URL()+"/ok", isAlert)
	}
	if o.Ledger().Total() != 2 {
		t.Errorf("Total() = %d, want the 2 of the client that was taken", o.Ledger().Total())
	}
}

func TestWrongHost(t *testing.T) {
	t.Parallel()
	certificates := newCertificates(t, "elsewhere.example", "10.1.2.3")
	o := startOracle(t, target.OracleConfig{TLS: certificates.Config})
	requireError(t, trusting(t, certificates, 0), o.URL()+"/ok", func(err error) bool {
		var wrong x509.HostnameError
		return errors.As(err, &wrong)
	})
}

func TestFaultsOverTLS(t *testing.T) {
	t.Parallel()
	certificates := newCertificates(t)
	o := startOracle(t, target.OracleConfig{TLS: certificates.Config})
	tests := []struct{ path, data, end string }{
		{"/close", answered, "EOF"},
		{"/eof", "", "EOF"},
		{"/reset", "", "reset"},
		{"/reset-in-body", wholeHead + "0123456789", "reset"},
	}
	for _, test := range tests {
		plain := dialPeer(t, o)
		stream := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
		if _, err := io.WriteString(stream, "GET "+test.path+" HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(stream)
		if err == nil {
			err = io.EOF
		}
		if string(data) != test.data || !strings.Contains(err.Error(), test.end) {
			t.Errorf("%s = %q and %v, want %q and %s", test.path, data, err, test.data, test.end)
		}
	}
}

func TestCloseEndsHandshakes(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{TLS: newCertificates(t).Config})
	dialPeer(t, o) // says nothing
	eventually(t, "it is accepted", func() bool { return o.Connections() == 1 })
	if err := o.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func requireError(t testing.TB, c *http.Client, url string, as func(error) bool) {
	t.Helper()
	response, err := c.Get(url)
	if err == nil {
		_ = response.Body.Close()
		t.Fatalf("GET %s = %s, want an error", url, response.Status)
	}
	if !as(err) {
		t.Errorf("GET %s: %v, want another error", url, err)
	}
}

func isUnknownAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}

func isExpired(err error) bool {
	var invalid x509.CertificateInvalidError
	return errors.As(err, &invalid) && invalid.Reason == x509.Expired
}

func isAlert(err error) bool {
	// The alert's type is not exported where it arrives late, within a read.
	return strings.Contains(err.Error(), "remote error: tls: ")
}

// isPlainText knows the error that net/http makes of the record header error with our text in it.
func isPlainText(err error) bool {
	return strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
