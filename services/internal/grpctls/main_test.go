package grpctls_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/internal/trialca"
)

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newAuthority(t *testing.T) *trialca.Authority {
	t.Helper()
	a, err := trialca.New(time.Now().Add(-72*time.Hour), time.Now().Add(72*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// valid is a leaf that is valid now.
func valid(leaf trialca.Leaf) trialca.Leaf {
	leaf.From, leaf.To = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	return leaf
}

func issue(t *testing.T, a *trialca.Authority, leaf trialca.Leaf) trialca.Pair {
	t.Helper()
	pair, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// authorityFile is a file with the authority's certificate.
func authorityFile(t *testing.T, a *trialca.Authority) string {
	t.Helper()
	pair, err := a.Pair()
	if err != nil {
		t.Fatal(err)
	}
	return file(t, pair.Cert)
}

// files are the files of a pair, which trusts the authority.
func files(t *testing.T, pair trialca.Pair, trusts *trialca.Authority) grpctls.Files {
	t.Helper()
	return grpctls.Files{Cert: file(t, pair.Cert), Key: file(t, pair.Key), CA: authorityFile(t, trusts)}
}

func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	replace(t, path, content)
	return path
}

// replace puts a file in place at once, as those who renew certificates do.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, f grpctls.Files, use grpctls.Use, log *slog.Logger) *grpctls.Source {
	t.Helper()
	source, err := grpctls.Open(f, use, log)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// server tells callers about its health, and its test who called last.
type server struct {
	address string
	log     *logtest.Log

	mu   sync.Mutex
	name string // guarded by mu; of the last caller
	ok   bool   // guarded by mu
}

func (s *server) caller() (name string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name, s.ok
}

// serve serves until the test's end; credentials nil is plaintext.
func serve(t *testing.T, secure func(*slog.Logger) credentials.TransportCredentials) *server {
	t.Helper()
	s := &server{log: &logtest.Log{}}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	g := grpcserve.New(log, grpcserve.Security{Credentials: secure(log)})
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Who", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Who", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.name, s.ok = grpctls.Identity(ctx)
			return &healthv1.HealthCheckResponse{}, decode(&healthv1.HealthCheckRequest{})
		}}},
	}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	served := make(chan error, 1) // for its one result
	go func() { served <- g.Serve(l) }()
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return s
}

// who calls the server once on a new connection.
func (s *server) who(t *testing.T, secure credentials.TransportCredentials, name string) error {
	t.Helper()
	conn := s.connect(t, secure, name)
	defer conn.Close()
	return who(t, conn)
}

func (s *server) connect(t *testing.T, secure credentials.TransportCredentials, name string) *grpcdial.Conn {
	t.Helper()
	conn, err := grpcdial.Security{Credentials: secure}.New(s.address, name)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func who(t *testing.T, conn *grpcdial.Conn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return conn.Invoke(ctx, "/test.Who/Who", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{})
}

// awaitLine waits until the text is in the log.
func awaitLine(t *testing.T, log *logtest.Log, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(log.With(text)) == 0; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no %q within %v", text, patience)
		}
	}
}
