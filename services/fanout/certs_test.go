package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// trialCerts is a directory with the certificates of certs init, and the flags that name them.
type trialCerts struct{ dir string }

func newTrialCerts(t *testing.T, flags ...string) trialCerts {
	t.Helper()
	c := trialCerts{filepath.Join(t.TempDir(), "certs")}
	if got := command(t, append([]string{"certs", "init", "--dir", c.dir}, flags...)...); got.code != exitPassed {
		t.Fatalf("fanout certs init = exit %d, %q, want 0", got.code, got.err)
	}
	return c
}

func (c trialCerts) file(name string) string { return filepath.Join(c.dir, name) }

// ca are the flags that know the others, pair those that show the certificate of name, and as both.
func (c trialCerts) ca() []string { return []string{"--tls-ca", c.file("ca.pem")} }

func (c trialCerts) pair(name string) []string {
	return []string{"--tls-cert", c.file(name + ".pem"), "--tls-key", c.file(name + "-key.pem")}
}

func (c trialCerts) as(name string) []string { return append(c.pair(name), c.ca()...) }

// The command makes what openssl takes, for the names that its flags add, and says what to do with it.
func TestCertsInit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certs")
	got := command(t, "certs", "init", "--dir", dir, "--worker-name", "load.example.internal", "--coordinator-name", "head", "--host", "192.0.2.7", "--days", "3")
	if got.code != exitPassed || got.err != "" {
		t.Fatalf("fanout certs init = exit %d, %q, want 0", got.code, got.err)
	}
	for _, want := range []string{"fanout worker --listen", "fanout coordinator --listen", "fanout run --coordinator", "grpcurl -cacert", filepath.Join(dir, "client-key.pem")} {
		if !strings.Contains(got.out, want) {
			t.Errorf("fanout certs init printed\n%s\nwant %q in it", got.out, want)
		}
	}
	again := command(t, "certs", "init", "--dir", dir)
	if again.code != exitFailure || again.out != "" || !strings.Contains(again.err, filepath.Join(dir, "ca.pem")) {
		t.Errorf("fanout certs init again = exit %d, %q, want 1 and the file", again.code, again.err)
	}
	for _, args := range [][]string{{"--days", "0"}, {"--days", "9999"}, {"--host", "a:7070"}, {"--worker-name", ""}, {"--coordinator-name", "a b"}, {"--worker-name", "spiffe://a/b"}} {
		bad := command(t, append([]string{"certs", "init", "--dir", t.TempDir()}, args...)...)
		if bad.code != exitUsage || !strings.Contains(bad.err, args[0]) || !strings.Contains(bad.err, args[1]) {
			t.Errorf("fanout certs init %q = exit %d, %q, want 2, flag and value", args, bad.code, bad.err)
		}
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not here")
	}
	for name, purposes := range map[string]map[string]bool{
		"worker": {"sslserver": true, "sslclient": false}, "coordinator": {"sslserver": true, "sslclient": true}, "client": {"sslserver": false, "sslclient": true},
	} {
		for purpose, want := range purposes {
			out, err := exec.CommandContext(t.Context(), openssl, "verify", "-x509_strict", "-CAfile", filepath.Join(dir, "ca.pem"), "-purpose", purpose, filepath.Join(dir, name+".pem")).CombinedOutput()
			if (err == nil) != want {
				t.Errorf("openssl verify of %s as %s = %v, %q, want no error: %v", name, purpose, err, out, want)
			}
		}
	}
	for host, name := range map[string]string{"load.example.internal": "worker", "head": "coordinator"} {
		out, err := exec.CommandContext(t.Context(), openssl, "x509", "-noout", "-checkhost", host, "-in", filepath.Join(dir, name+".pem")).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "does match") {
			t.Errorf("openssl: %s.pem for %s = %v, %q, want a match", name, host, err, out)
		}
	}
}
