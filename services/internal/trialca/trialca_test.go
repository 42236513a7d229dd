package trialca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Each certificate is for its use and its names alone, and keys are for the user alone.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	now := time.Now().Truncate(time.Second)
	set := Set{Workers: []string{"load.example.internal", "192.0.2.7"}, Coordinators: []string{"2001:db8::7"}, From: now, To: now.AddDate(0, 0, 9)}
	if err := set.Write(dir); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(ca) {
		t.Fatalf("ca.pem = %q, %v, want a certificate", ca, err)
	}
	serving, calling := x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for _, tt := range []struct {
		name       string
		uses       []x509.ExtKeyUsage
		hosts      []string
		otherHosts []string
	}{
		{"worker", []x509.ExtKeyUsage{serving}, []string{"worker", "workers", "localhost", "127.0.0.1", "::1", "load.example.internal", "192.0.2.7"}, []string{"coordinator", "2001:db8::7", "client"}},
		{"coordinator", []x509.ExtKeyUsage{serving, calling}, []string{"coordinator", "localhost", "127.0.0.1", "::1", "2001:db8::7"}, []string{"worker", "workers", "192.0.2.7"}},
		{"client", []x509.ExtKeyUsage{calling}, []string{"client"}, []string{"localhost", "127.0.0.1", "worker"}},
	} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, tt.name+".pem"), filepath.Join(dir, tt.name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		leaf := pair.Leaf
		if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() || !slices.Equal(leaf.ExtKeyUsage, tt.uses) {
			t.Errorf("%s.pem has key %T and uses %v, want P-256 and %v", tt.name, leaf.PublicKey, leaf.ExtKeyUsage, tt.uses)
		}
		if !leaf.NotAfter.Equal(set.To) || !leaf.NotBefore.Before(now) || leaf.IsCA {
			t.Errorf("%s.pem is valid from %v to %v, an authority: %v; want a bit before %v to %v, and none", tt.name, leaf.NotBefore, leaf.NotAfter, leaf.IsCA, now, set.To)
		}
		for _, host := range tt.hosts {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: forVerify(host), KeyUsages: tt.uses[:1]}); err != nil {
				t.Errorf("%s.pem for %s = %v, want no error", tt.name, host, err)
			}
		}
		for _, host := range tt.otherHosts {
			if leaf.VerifyHostname(forVerify(host)) == nil {
				t.Errorf("%s.pem is for %s, want it not", tt.name, host)
			}
		}
	}
	for _, name := range []string{"ca", "worker", "coordinator", "client"} {
		info, err := os.Stat(filepath.Join(dir, name+"-key.pem"))
		if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s-key.pem has mode %v, %v, want 0600", name, info.Mode(), err)
		}
	}
}

func forVerify(host string) string {
	if net.ParseIP(host) != nil {
		return "[" + host + "]" // a literal, to x509
	}
	return host
}

// A directory that has any of the files keeps what it has, and gets nothing.
func TestWriteOverwritesNothing(t *testing.T) {
	t.Parallel()
	set := Set{From: time.Now(), To: time.Now().Add(time.Hour)}
	for _, there := range []string{"ca.pem", "ca-key.pem", "client-key.pem"} {
		dir := t.TempDir()
		path := filepath.Join(dir, there)
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := set.Write(dir); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Write beside %s = %v, want an error with the path", there, err)
		}
		all, err := os.ReadDir(dir)
		content, _ := os.ReadFile(path)
		if err != nil || len(all) != 1 || string(content) != "mine" {
			t.Errorf("beside %s there are %d files, and it holds %q; want it alone, and as it was", there, len(all), content)
		}
	}
}

func TestIssueNames(t *testing.T) {
	t.Parallel()
	a, err := New(time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Issue(Leaf{Names: []string{"http://%zz"}}); err == nil {
		t.Error("Issue for a URI that is none = no error, want one")
	}
	if _, err := a.Issue(Leaf{Names: []string{"wörker"}}); err == nil {
		t.Error("Issue for a name beyond ASCII = no error, want one")
	}
}
