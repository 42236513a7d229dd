package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/target"
)

// A client certificate opens the target, to a run and to a call, and its key is nowhere in what is written; nor is it when the
// target refuses the certificate.
func TestIdentity(t *testing.T) {
	t.Parallel()
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := certificates.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	ca, cert, key := tempFile(t, string(certificates.CAPEM)), tempFile(t, string(certPEM)), tempFile(t, string(keyPEM))
	strangerCert, strangerKey := identityFiles(t)
	o, err := target.StartOracle(target.OracleConfig{TLS: certificates.ServeVerified()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	for _, tt := range []struct {
		name string
		args []string
		code exitCode
		want string
	}{
		{"run", []string{"run", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"run, JSON", []string{"run", "-n", "5", "-o", "json", "--cert", cert, "--key", key}, exitPassed, `"certPem": "-----BEGIN CERTIFICATE`},
		{"call", []string{"call", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"call with the other engine", []string{"call", "--engine", "std", "-n", "5", "--cert", cert, "--key", key}, exitPassed, "5 of 5 responses"},
		{"refused", []string{"run", "-n", "5", "-o", "json", "--cert", strangerCert, "--key", strangerKey}, exitFailed, `"TLS_ALERT"`},
		{"refused call", []string{"call", "-n", "5", "--cert", strangerCert, "--key", strangerKey}, exitFailed, "5 errors (TLS_ALERT 5)"},
		{"without", []string{"call", "-n", "5"}, exitFailed, "5 errors (TLS_ALERT 5)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, append(tt.args, "--cacert", ca, o.URL()+"/ok")...)
			if got.code != tt.code || !strings.Contains(got.out, tt.want) {
				t.Errorf("fanout %q = exit %d, %q, %q, want %d and %q", tt.args, got.code, got.out, got.err, tt.code, tt.want)
			}
			for _, file := range []string{key, strangerKey} {
				wantNoKey(t, got.out+got.err, file)
			}
		})
	}
}

// wantNoKey checks that no line of a key's file is in what was written.
func wantNoKey(t *testing.T, written, file string) {
	t.Helper()
	key, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(key)) {
		if line = strings.TrimSpace(line); line != "" && strings.Contains(written, line) {
			t.Errorf("a line of the key is in %q", written)
		}
	}
}
