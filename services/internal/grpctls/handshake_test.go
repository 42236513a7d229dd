package grpctls_test

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/trialca"
)

// raw is credentials that check nothing, as somebody else's client may, of at most a version (0: any).
func raw(t *testing.T, pair trialca.Pair, version uint16) credentials.TransportCredentials {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, MaxVersion: version}
	if pair.Cert != nil {
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return credentials.NewTLS(config)
}

// Who shows what is taken, or hears why it is not. Whoever is refused is never heard of by the service.
func TestCallers(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	served := files(t, issue(t, ours, valid(trialca.Leaf{Names: []string{"worker", "127.0.0.1"}, Serving: true})), ours)
	yesterday := trialca.Leaf{Names: []string{"alice"}, Calling: true, From: time.Now().Add(-48 * time.Hour), To: time.Now().Add(-24 * time.Hour)}
	tomorrow := trialca.Leaf{Names: []string{"alice"}, Calling: true, From: time.Now().Add(24 * time.Hour), To: time.Now().Add(48 * time.Hour)}
	calling := func(names ...string) trialca.Pair {
		return issue(t, ours, valid(trialca.Leaf{Names: names, Calling: true}))
	}
	for _, tt := range []struct {
		name   string
		caller credentials.TransportCredentials // nil: plaintext
		who    string                           // "" and no refusal: nobody
		alone  string                           // the refusal where certificates are required
		either string                           // the refusal where a certificate is verified if it is shown
		log    string                           // of the refusal
	}{
		{"a certificate", raw(t, calling("alice"), 0), "alice", "", "", ""},
		{"a certificate with a URI", raw(t, calling("alice", "spiffe://example.test/load"), 0), "spiffe://example.test/load", "", "", ""},
		{"no certificate", raw(t, trialca.Pair{}, 0), "", "give --tls-cert and --tls-key", "", "client didn't provide a certificate"},
		{
			"a certificate of another authority", raw(t, issue(t, theirs, valid(trialca.Leaf{Names: []string{"alice"}, Calling: true})), 0),
			"", "does not know the authority", "does not know the authority", "unknown authority",
		},
		{"a certificate that has expired", raw(t, issue(t, ours, yesterday), 0), "", "has expired", "has expired", "expired"},
		{"a certificate of tomorrow", raw(t, issue(t, ours, tomorrow), 0), "", "has expired", "has expired", "not yet valid"},
		{
			"a worker's certificate", raw(t, issue(t, ours, valid(trialca.Leaf{Names: []string{"worker"}, Serving: true})), 0),
			"", "refuses the certificate", "refuses the certificate", "incompatible key usage",
		},
		{
			"a certificate for no use", raw(t, issue(t, ours, valid(trialca.Leaf{Names: []string{"alice"}})), 0),
			"", "refuses the certificate", "refuses the certificate", "without clientAuth",
		},
		{"a certificate of nobody", raw(t, calling("127.0.0.1"), 0), "", "refuses the certificate", "refuses the certificate", "names nobody"},
		{"TLS 1.2", raw(t, calling("alice"), tls.VersionTLS12), "", "TLS 1.3", "TLS 1.3", "unsupported versions"},
		{"plaintext", nil, "", "give --tls-ca", "give --tls-ca", "does not look like a TLS handshake"},
	} {
		for mode, callers := range map[string]grpctls.Callers{"required": grpctls.Required, "either": grpctls.Verified} {
			t.Run(tt.name+", "+mode, func(t *testing.T) {
				t.Parallel()
				s := serve(t, func(log *slog.Logger) credentials.TransportCredentials {
					return open(t, served, grpctls.Serving, log).Server(callers)
				})
				err := s.who(t, tt.caller, "")
				refusal := tt.alone
				if callers == grpctls.Verified {
					refusal = tt.either
				}
				name, ok := s.caller()
				if refusal == "" {
					if err != nil || name != tt.who || ok != (tt.who != "") {
						t.Errorf("the call = %v by %q, %v, want it by %q", err, name, ok, tt.who)
					}
					return
				}
				if status.Code(err) != codes.Unavailable || !strings.Contains(rpcerr.Text(err), refusal) || ok {
					t.Errorf("the call = %v by %q, want UNAVAILABLE and %q", rpcerr.Text(err), name, refusal)
				}
				awaitLine(t, s.log, tt.log) // the caller may hear of it first
				if n := len(s.log.With("refused at the handshake")); n != 1 {
					t.Errorf("the log has %d refusals, want one", n)
				}
			})
		}
	}
}

// A caller takes only a service that its authority knows by the name that is dialled.
func TestServices(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	client := open(t, grpctls.Files{CA: authorityFile(t, ours)}, grpctls.Calling, slog.New(slog.DiscardHandler)).Client()
	public := open(t, grpctls.Files{CA: grpctls.System}, grpctls.Calling, slog.New(slog.DiscardHandler)).Client()
	worker := issue(t, ours, valid(trialca.Leaf{Names: []string{"workers", "127.0.0.1"}, Serving: true}))
	yesterday := trialca.Leaf{Names: []string{"workers"}, Serving: true, From: time.Now().Add(-48 * time.Hour), To: time.Now().Add(-24 * time.Hour)}
	for _, tt := range []struct {
		name    string
		served  trialca.Pair // none: plaintext
		version uint16       // the highest; 0: any
		client  credentials.TransportCredentials
		as      string // the name; "": the address
		refusal string
	}{
		{"its address", worker, 0, client, "", ""},
		{"its name", worker, 0, client, "workers", ""},
		{"its name and port", worker, 0, client, "workers:7070", ""},
		{"another name", worker, 0, client, "coordinator:7070", "not for this name"},
		{"a longer name", worker, 0, client, "a.workers", "not for this name"},
		{"another address", worker, 0, client, "127.0.0.2:7070", "not for this name"},
		{"an address of one without", issue(t, ours, valid(trialca.Leaf{Names: []string{"workers"}, Serving: true})), 0, client, "", "not for this address"},
		{"no name", issue(t, ours, valid(trialca.Leaf{Serving: true})), 0, client, "workers", "is for no name"},
		{"another authority", issue(t, theirs, valid(trialca.Leaf{Names: []string{"workers"}, Serving: true})), 0, client, "workers", "not of an authority in --tls-ca"},
		{"no public authority", worker, 0, public, "", "not of an authority in --tls-ca"},
		{"expired", issue(t, ours, yesterday), 0, client, "workers", "has expired"},
		{"a caller's certificate", issue(t, ours, valid(trialca.Leaf{Names: []string{"workers"}, Calling: true})), 0, client, "workers", "without serverAuth"},
		{"TLS 1.2", worker, tls.VersionTLS12, client, "", "TLS 1.3"},
		{"plaintext", trialca.Pair{}, 0, client, "", "does not speak TLS"},
		{"TLS to who speaks plaintext", worker, 0, nil, "", "give --tls-ca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(*slog.Logger) credentials.TransportCredentials {
				if tt.served.Cert == nil {
					return nil
				}
				cert, err := tls.X509KeyPair(tt.served.Cert, tt.served.Key)
				if err != nil {
					t.Fatal(err)
				}
				return credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tt.version})
			})
			err := s.who(t, tt.client, tt.as)
			switch {
			case tt.refusal == "" && err != nil:
				t.Errorf("the call = %v, want no error", err)
			case tt.refusal != "" && (status.Code(err) != codes.Unavailable || !strings.Contains(rpcerr.Text(err), tt.refusal)):
				t.Errorf("the call = %v, want UNAVAILABLE and %q", rpcerr.Text(err), tt.refusal)
			}
		})
	}
}
