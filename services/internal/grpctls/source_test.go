package grpctls_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/internal/trialca"
)

// New connections have the certificates that the files hold now, and those that are open stay. What cannot be used changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	before, after := newAuthority(t), newAuthority(t)
	leaf := valid(trialca.Leaf{Names: []string{"worker", "127.0.0.1"}, Serving: true})
	served := files(t, issue(t, before, leaf), before)
	s := serve(t, func(log *slog.Logger) credentials.TransportCredentials {
		return open(t, served, grpctls.Serving, log).Server(grpctls.Required)
	})
	as := func(name string, known, trusts *trialca.Authority) credentials.TransportCredentials {
		f := files(t, issue(t, known, valid(trialca.Leaf{Names: []string{name}, Calling: true})), trusts)
		return open(t, f, grpctls.Calling, slog.New(slog.DiscardHandler)).Client()
	}
	old, newly, half := as("old", before, before), as("new", after, after), as("half", before, after)
	opened := s.connect(t, old, "")
	defer opened.Close()
	check := func(step string, caller credentials.TransportCredentials, want bool) {
		t.Helper()
		if err := s.who(t, caller, ""); (err == nil) != want {
			t.Errorf("%s: the call = %v, want one that succeeds: %v", step, err, want)
		}
		if err := who(t, opened); err != nil {
			t.Errorf("%s: a call on the open connection = %v, want no error", step, err)
		}
	}
	check("at first", old, true)
	check("at first", newly, false)

	pair := issue(t, after, leaf)
	const unusable, changed = "cannot be used; those from before stay", "new connections have the new ones"
	replace(t, served.Cert, pair.Cert) // and not yet its key
	check("with half of a pair", old, true)
	check("with half of a pair", old, true)
	if n := len(s.log.With(unusable)); n != 1 {
		t.Errorf("half of a pair is told of %d times, want once", n)
	}
	if err := os.WriteFile(served.Key, pair.Key[:len(pair.Key)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	check("with half of a key", old, true)
	replace(t, served.Key, pair.Key)
	check("with the new pair", half, true)
	if n := len(s.log.With(changed)); n != 1 {
		t.Errorf("the new pair is told of %d times, want once", n)
	}

	for name, content := range map[string]string{"empty": "", "no PEM": "PEM", "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if err := os.WriteFile(served.CA, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		check("with authorities that are "+name, half, true)
	}
	if err := os.Remove(served.CA); err != nil {
		t.Fatal(err)
	}
	check("without authorities", half, true)
	authority, err := after.Pair()
	if err != nil {
		t.Fatal(err)
	}
	replace(t, served.CA, authority.Cert)
	check("with the new authority", newly, true)
	check("with the new authority", half, false)
	expired := leaf
	expired.From, expired.To = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	pair = issue(t, after, expired)
	replace(t, served.Cert, pair.Cert)
	replace(t, served.Key, pair.Key)
	check("with a pair that has expired", newly, true)
	if n := len(s.log.With("expired on")); n != 1 {
		t.Errorf("a pair that has expired is told of %d times, want once", n)
	}
}

// A caller shows the certificate that its files hold when it dials, too.
func TestReloadOfACaller(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	s := serve(t, func(log *slog.Logger) credentials.TransportCredentials {
		f := files(t, issue(t, ours, valid(trialca.Leaf{Names: []string{"127.0.0.1"}, Serving: true})), ours)
		return open(t, f, grpctls.Serving, log).Server(grpctls.Required)
	})
	f := files(t, issue(t, ours, valid(trialca.Leaf{Names: []string{"alice"}, Calling: true})), ours)
	client := open(t, f, grpctls.Calling, slog.New(slog.DiscardHandler)).Client()
	for _, name := range []string{"alice", "bob"} {
		pair := issue(t, ours, valid(trialca.Leaf{Names: []string{name}, Calling: true}))
		replace(t, f.Cert, pair.Cert)
		replace(t, f.Key, pair.Key)
		err := s.who(t, client, "")
		if got, ok := s.caller(); err != nil || !ok || got != name {
			t.Errorf("the call = %v by %q, want it by %q", err, got, name)
		}
	}
}

// Whatever is wrong with the files is one sentence that names the flag and the file, and quotes nothing of a key.
func TestFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	serving := valid(trialca.Leaf{Names: []string{"worker"}, Serving: true})
	calling := valid(trialca.Leaf{Names: []string{"alice"}, Calling: true})
	worker, other := files(t, issue(t, ours, serving), ours), files(t, issue(t, ours, serving), ours)
	client := files(t, issue(t, ours, calling), ours)
	both := grpctls.Serving | grpctls.Calling
	none := filepath.Join(t.TempDir(), "none.pem")
	at := func(leaf trialca.Leaf, from, to time.Duration) grpctls.Files {
		leaf.From, leaf.To = time.Now().Add(from), time.Now().Add(to)
		return files(t, issue(t, ours, leaf), ours)
	}
	expired, early := at(serving, -2*time.Hour, -time.Hour), at(serving, time.Hour, 2*time.Hour)
	old, err := trialca.New(time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	oldCA := authorityFile(t, old)
	garbage := file(t, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	locked := file(t, encrypted(t))
	for _, tt := range []struct {
		name  string
		files grpctls.Files
		use   grpctls.Use
		want  []string
	}{
		{"a certificate alone", grpctls.Files{Cert: worker.Cert}, grpctls.Serving, []string{"--tls-cert " + worker.Cert, "--tls-key"}},
		{"a key alone", grpctls.Files{Key: worker.Key}, grpctls.Calling, []string{"--tls-key " + worker.Key, "--tls-cert"}},
		{"authorities alone", grpctls.Files{CA: worker.CA}, grpctls.Serving, []string{"--tls-ca " + worker.CA, "--tls-cert", "--tls-key"}},
		{"all the world", grpctls.Files{Cert: worker.Cert, Key: worker.Key, CA: grpctls.System}, grpctls.Serving, []string{"--tls-ca system", "anyone"}},
		{"no such certificate", grpctls.Files{Cert: none, Key: worker.Key}, grpctls.Serving, []string{"--tls-cert", none}},
		{"no such key", grpctls.Files{Cert: worker.Cert, Key: none}, grpctls.Serving, []string{"--tls-key", none}},
		{"no such authorities", grpctls.Files{CA: none}, grpctls.Calling, []string{"--tls-ca", none}},
		{"a directory", grpctls.Files{CA: t.TempDir()}, grpctls.Calling, []string{"--tls-ca"}},
		{"another's key", grpctls.Files{Cert: worker.Cert, Key: other.Key}, grpctls.Serving, []string{worker.Cert, other.Key, "belong together"}},
		{"the wrong way round", grpctls.Files{Cert: worker.Key, Key: worker.Cert}, grpctls.Serving, []string{worker.Cert, worker.Key, "belong together"}},
		{"a key with a passphrase", grpctls.Files{Cert: worker.Cert, Key: locked}, grpctls.Serving, []string{locked, "without a passphrase"}},
		{"a huge certificate", grpctls.Files{Cert: file(t, make([]byte, 2<<20)), Key: worker.Key}, grpctls.Serving, []string{"--tls-cert", "longer than the cap"}},
		{"expired", expired, grpctls.Serving, []string{"--tls-cert " + expired.Cert, "expired on"}},
		{"not valid yet", early, grpctls.Serving, []string{"--tls-cert " + early.Cert, "not valid before"}},
		{"a caller's, to serve", client, grpctls.Serving, []string{"--tls-cert " + client.Cert, "serverAuth"}},
		{"a caller's, for both", client, both, []string{"--tls-cert " + client.Cert, "serverAuth"}},
		{"a service's, to call", worker, grpctls.Calling, []string{"--tls-cert " + worker.Cert, "clientAuth"}},
		{"a service's, for both", worker, both, []string{"--tls-cert " + worker.Cert, "clientAuth"}},
		{"nobody's", files(t, issue(t, ours, valid(trialca.Leaf{Calling: true})), ours), grpctls.Calling, []string{"names nobody"}},
		{"no authorities", grpctls.Files{CA: worker.Key}, grpctls.Calling, []string{"--tls-ca " + worker.Key, "no certificate"}},
		{"authorities that are none", grpctls.Files{CA: garbage}, grpctls.Calling, []string{"--tls-ca " + garbage, "certificate 1"}},
		{"authorities that have expired", grpctls.Files{CA: oldCA}, grpctls.Calling, []string{"--tls-ca " + oldCA, "expired"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			source, err := grpctls.Open(tt.files, tt.use, slog.New(slog.DiscardHandler))
			if err == nil || source != nil {
				t.Fatalf("Open(%+v) = %v, %v, want an error", tt.files, source, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Open(%+v) = %q, want %q in it", tt.files, err, want)
				}
			}
			if strings.Contains(err.Error(), "BEGIN") || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open(%+v) = %q, want one sentence without what is in the files", tt.files, err)
			}
		})
	}
}

// encrypted is a key that needs a passphrase, as far as a reader can see.
func encrypted(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der[1:]})
}
