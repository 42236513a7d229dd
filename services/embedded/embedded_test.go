package embedded_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/target"
)

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startOracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return o
}

// closedLoop is a plan of n requests (0: for 30 s) from four senders.
func closedLoop(url string, n int64) *plan.Plan {
	p := &plan.Plan{
		Requests: []plan.Request{{URL: url}},
		Load:     plan.Load{Requests: n, ClosedLoop: &plan.ClosedLoop{Concurrency: 4}},
		HTTP:     plan.HTTPOptions{SlotHeader: true},
	}
	if n == 0 {
		p.Load.Duration = 30 * time.Second
	}
	return p
}

// carryOut creates a run and watches it to its end.
func carryOut(t *testing.T, conn *grpc.ClientConn, p *plan.Plan) *run.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := client.NewCoordinator(conn)
	created, err := c.Create(ctx, run.NewRun{Plan: p})
	if err != nil {
		t.Fatalf("Create() = %v, want a run", err)
	}
	final, err := c.Watch(ctx, created.ID, func(*run.Run) {})
	if err != nil {
		t.Fatalf("Watch() = %v, want the run's end", err)
	}
	return final
}

// wantSeen checks that the target saw so many requests, none twice.
func wantSeen(t *testing.T, o *target.Oracle, want int64) {
	t.Helper()
	if key, n := o.Ledger().MaxPerSlot(); o.Ledger().Total() != want || n > 1 {
		t.Errorf("the target saw %d requests, %s %d times, want %d, each once", o.Ledger().Total(), key, n, want)
	}
}

// A worker and a coordinator in this process carry out a run like any others, one after the other.
func TestStart(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var services embedded.Services
	defer services.Close()
	conn, err := services.Start(embedded.Config{Version: "1.2.3"})
	if err != nil {
		t.Fatalf("Start() = %v, want a connection", err)
	}
	for i := range int64(2) {
		final := carryOut(t, conn, closedLoop(o.URL()+"/ok", 100))
		if counts := final.Tally.Counts; final.Verdict != run.Passed || counts.Planned != 100 || counts.Responses != 100 {
			t.Errorf("run %d = %v, %v, %v, want PASSED with 100 responses", i, final.Verdict, counts, final.Tally.Errors)
		}
		if o.Ledger().Total() != 100*(i+1) {
			t.Errorf("the target saw %d requests, want %d", o.Ledger().Total(), 100*(i+1))
		}
	}
	if got := o.Ledger().Last().Header.Get("User-Agent"); got != "fanout/1.2.3" {
		t.Errorf("User-Agent = %q, want fanout/1.2.3", got)
	}
}

func TestStartWorker(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var services embedded.Services
	defer services.Close()
	conn, err := services.StartWorker(embedded.Config{})
	if err != nil {
		t.Fatalf("StartWorker() = %v, want a connection", err)
	}
	slots := 0
	final, err := client.NewCall(conn).FanOut(t.Context(), closedLoop(o.URL()+"/ok", 20), func(*outcome.Outcome) error {
		slots++
		return nil
	})
	if err != nil || slots != 20 || final.Counts.Responses != 20 {
		t.Errorf("FanOut() = %d outcomes, %+v, %v, want 20", slots, final, err)
	}
	wantSeen(t, o, 20)
}

// A coordinator in this process has the workers that it is told, wherever they are.
func TestStartCoordinator(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var services embedded.Services
	defer services.Close()
	worker, err := services.StartWorker(embedded.Config{})
	if err != nil {
		t.Fatalf("StartWorker() = %v, want a connection", err)
	}
	for _, tt := range []struct {
		name string
		dial func(string) (coordinator.Conn, error)
		text string // in the reason
	}{
		{"no way there", func(address string) (coordinator.Conn, error) { return nil, errors.New("no way to " + address) }, "no way to 127.0.0.1:1"},
		{"nobody there", nil, "127.0.0.1:1"}, // the port of a service that no system has any more
	} {
		workers, err := coordinator.ParseWorkers("127.0.0.1:1")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := services.StartCoordinator(embedded.Config{}, workers, tt.dial)
		if err != nil {
			t.Fatalf("%s: StartCoordinator() = %v, want a connection", tt.name, err)
		}
		final := carryOut(t, conn, closedLoop(o.URL()+"/ok", 20))
		if final.Verdict != run.Failed || !final.Started.IsZero() || !strings.Contains(final.Reason, tt.text) {
			t.Errorf("%s: run = %v, %q, started %v, want FAILED, %q, never", tt.name, final.Verdict, final.Reason, final.Started, tt.text)
		}
	}
	wantSeen(t, o, 0)
	if _, err := client.NewCall(worker).FanOut(t.Context(), closedLoop(o.URL()+"/ok", 1), func(*outcome.Outcome) error { return nil }); err != nil {
		t.Errorf("FanOut() of the worker beside it = %v, want no error", err)
	}
}

// Close ends a run that goes on, and nothing is sent after it.
func TestCloseDuringARun(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	var services embedded.Services
	conn, err := services.Start(embedded.Config{})
	if err != nil {
		t.Fatalf("Start() = %v, want a connection", err)
	}
	if _, err := client.NewCoordinator(conn).Create(t.Context(), run.NewRun{Plan: closedLoop(o.URL()+"/delay/5ms", 0)}); err != nil {
		t.Fatalf("Create() = %v, want a run", err)
	}
	for deadline := time.Now().Add(patience); o.Ledger().Total() < 10; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: the target sees requests", patience)
		}
	}
	begun := time.Now()
	services.Close()
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("Close() took %v, want it bounded", took)
	}
	seen := o.Ledger().Total()
	services.Close() // a second one finds nothing to do
	if n := o.Ledger().Total(); n != seen {
		t.Errorf("the target saw %d requests, %d after Close, want none", n, n-seen)
	}
	wantSeen(t, o, seen)
	if _, err := client.NewCoordinator(conn).Find(t.Context(), "r-1"); err == nil {
		t.Error("Find() after Close = a run, want an error")
	}
}

// Nothing that was started needs nothing closed.
func TestCloseOfNothing(t *testing.T) {
	t.Parallel()
	var services embedded.Services
	services.Close()
	if _, err := services.Start(embedded.Config{}); err != nil {
		t.Errorf("Start() = %v, want a connection", err)
	}
	services.Close() // before anything was called
}
