package coordinator_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/internal/trialca"
	"github.com/fanout-load/fanout/services/worker"
)

// secured is certificates for workers that are known as localhost, and by no address, and for a coordinator.
type secured struct{ worker, coordinator *grpctls.Source }

func newSecured(t *testing.T) secured {
	t.Helper()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	authority, err := trialca.New(from, to)
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Pair()
	if err != nil {
		t.Fatal(err)
	}
	open := func(leaf trialca.Leaf, use grpctls.Use) *grpctls.Source {
		leaf.From, leaf.To = from, to
		pair, err := authority.Issue(leaf)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		files := grpctls.Files{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
		for path, content := range map[string][]byte{files.Cert: pair.Cert, files.Key: pair.Key, files.CA: own.Cert} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		source, err := grpctls.Open(files, use, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return source
	}
	return secured{
		open(trialca.Leaf{Names: []string{"localhost"}, Serving: true}, grpctls.Serving),
		open(trialca.Leaf{Names: []string{"coordinator"}, Calling: true}, grpctls.Calling),
	}
}

// serveWorkers serves a worker at every address that localhost has, all with one port, until the test's end.
func (s secured) serveWorkers(t *testing.T) (port string, n int) {
	t.Helper()
	hosts, err := net.DefaultResolver.LookupHost(t.Context(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	port = "0"
	for _, host := range hosts {
		l, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Skipf("localhost is %v, and the port cannot be had at each: %v", hosts, err)
		}
		_, port, _ = net.SplitHostPort(l.Addr().String())
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1) // for its one result
		go func() {
			served <- worker.Serve(ctx, l, worker.Config{Security: grpcserve.Security{Credentials: s.worker.Server(grpctls.Required)}})
		}()
		t.Cleanup(func() {
			cancel()
			if err := <-served; err != nil {
				t.Errorf("Serve = %v, want nil", err)
			}
		})
	}
	return port, len(hosts)
}

// Workers that a DNS name has found are dialled by address and verified by that name, in every life of a coordinator that goes on with
// a run.
func TestWorkersOfADNSNameAreVerifiedByIt(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := newSecured(t)
	port, n := s.serveWorkers(t)
	named, err := coordinator.ParseWorkers("dns:///localhost:" + port)
	if err != nil {
		t.Fatal(err)
	}
	memory := coordinator.NewMemory(0)
	live := func(workers coordinator.Workers) (*service, func()) {
		store, err := memory.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return startTLS(t, coordinator.Config{
			Workers: workers, Store: store.Durable(), WorkerSecurity: grpcdial.Security{Credentials: s.coordinator.Client()},
		})
	}
	first, stop := live(named)
	const slots = 200
	r := first.create(t, openLoop(o.URL()+"/ok", 100, slots/100*time.Second))
	eventually(t, "the target sees requests", func() bool { return o.Ledger().Total() > 10 })
	stop()
	second, stop := live(named)
	all := second.watch(t, r.GetId(), fanoutv1.RunView_RUN_VIEW_FULL)
	last := all[len(all)-1]
	wantVerdict(t, last, fanoutv1.Verdict_VERDICT_PASSED, "")
	wantSeen(t, o, slots)
	if got := len(last.GetWorkers()); got != n || !strings.HasSuffix(last.GetWorkers()[0].GetAddress(), ":"+port) || strings.HasPrefix(last.GetWorkers()[0].GetAddress(), "localhost") {
		t.Errorf("the run's workers are %v, want %d addresses", last.GetWorkers(), n)
	}
	stop()

	listed, err := coordinator.ParseWorkers(last.GetWorkers()[0].GetAddress())
	if err != nil {
		t.Fatal(err)
	}
	third, stop := live(listed)
	defer stop()
	refused := third.carryOut(t, closedLoop(o.URL()+"/ok", 1, 1))
	wantVerdict(t, refused, fanoutv1.Verdict_VERDICT_FAILED, "its certificate is not for this address")
	wantSeen(t, o, slots)
}

// startTLS starts a coordinator that dials its workers itself.
func startTLS(t *testing.T, config coordinator.Config) (s *service, stop func()) {
	t.Helper()
	c, err := coordinator.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	l := serve(t, c.Register)
	conn, err := grpcdial.New("coordinator", grpcdial.Over(l.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	return &service{fanoutv1.NewCoordinatorServiceClient(conn), c}, func() {
		c.Close()
		_ = conn.Close()
		if err := config.Store.Close(); err != nil {
			t.Errorf("Close = %v, want nil", err)
		}
	}
}
