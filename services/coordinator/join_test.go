package coordinator_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

// crowd is workers of which as many are known as it says, from the first one on. Below 0 they cannot be found.
type crowd struct{ known atomic.Int64 }

func (c *crowd) find(context.Context) ([]string, error) {
	n := c.known.Load()
	if n < 0 {
		return nil, errors.New("the resolver does not answer")
	}
	var all []string
	for i := range n {
		all = append(all, address(int(i)))
	}
	return all, nil
}

// startCrowd starts a coordinator with a short lease, which looks for workers often and knows so many of them at first.
func startCrowd(t *testing.T, known int64, workers ...fanoutv1.WorkerServiceServer) (*service, *crowd) {
	t.Helper()
	c := new(crowd)
	c.known.Store(known)
	config := coordinator.Config{Workers: coordinator.WorkersFrom(c.find), Lease: 3 * time.Second, JoinEvery: 200 * time.Millisecond}
	return startAmong(t, config, workers...), c
}

// carryOutWhile creates a run, does something once the target has heard of it, and is the run at its end, which PASSED.
func (s *service) carryOutWhile(t *testing.T, o *target.Oracle, request *fanoutv1.CreateRunRequest, meanwhile func()) *fanoutv1.Run {
	t.Helper()
	response, err := s.CreateRun(t.Context(), request)
	if err != nil {
		t.Fatalf("CreateRun = %v, want a run", err)
	}
	eventually(t, "a request", func() bool { return o.Ledger().Total() > 0 })
	meanwhile()
	all := s.watch(t, response.GetRun().GetId(), fanoutv1.RunView_RUN_VIEW_FULL)
	r := all[len(all)-1]
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	return r
}

// In an open loop workers that come while the run goes on get their parts of the next windows, whoever was there before; what is sent
// stays what was planned, and nothing is sent twice.
func TestWorkersJoinAnOpenLoop(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s, crowd := startCrowd(t, 1, newWorkers(t, 3)...)
	request := &fanoutv1.CreateRunRequest{Plan: openLoop(o.URL()+"/ok", 200, 9*time.Second)}
	r := s.carryOutWhile(t, o, request, func() {
		crowd.known.Store(-1) // a resolver that fails for a while does no harm
		time.Sleep(500 * time.Millisecond)
		crowd.known.Store(3)
	})
	if len(r.GetWorkers()) != 3 {
		t.Fatalf("workers = %v, want 3", r.GetWorkers())
	}
	for _, w := range r.GetWorkers() {
		if c := w.GetTally().GetCounts(); c.GetResponses() < 200 || w.GetFailure() != nil {
			t.Errorf("worker %s = %v, failure %v, want its part of the load", w.GetAddress(), c, w.GetFailure())
		}
	}
	if c := r.GetTally().GetCounts(); c.GetPlanned() != 1800 || c.GetResponses() != 1800 {
		t.Errorf("counts = %s, want 1800 responses", counts(r))
	}
	wantSeen(t, o, 1800)
}

// Who joins has part of the concurrency that the plan allows, and no more join than that has senders for.
func TestNoMoreJoinThanTheConcurrencyAllows(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s, crowd := startCrowd(t, 1, newWorkers(t, 4)...)
	p := openLoop(o.URL()+"/ok", 100, 8*time.Second)
	p.Load.GetOpenLoop().MaxConcurrency = 2
	r := s.carryOutWhile(t, o, &fanoutv1.CreateRunRequest{Plan: p}, func() { crowd.known.Store(4) })
	if len(r.GetWorkers()) != 2 {
		t.Errorf("workers = %d, want 2, one for each sender", len(r.GetWorkers()))
	}
	wantSeen(t, o, 800)
}

// A closed loop has its concurrency divided from the start, and with CONTINUE the split stays as it was: nobody joins.
func TestWhereNobodyJoins(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		plan   func(url string) *fanoutv1.Plan
		onLoss fanoutv1.OnWorkerLoss
	}{
		{"a closed loop", func(url string) *fanoutv1.Plan {
			p := closedLoop(url, 0, 8)
			p.Load.Duration.Seconds = 2
			return p
		}, fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_REASSIGN},
		// Longer than a lease, so that there is something left to grant.
		{"continue", func(url string) *fanoutv1.Plan { return openLoop(url, 100, 6*time.Second) }, fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_CONTINUE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t)
			s, crowd := startCrowd(t, 2, newWorkers(t, 3)...)
			request := &fanoutv1.CreateRunRequest{Plan: tt.plan(o.URL() + "/delay/5ms"), OnWorkerLoss: tt.onLoss}
			r := s.carryOutWhile(t, o, request, func() { crowd.known.Store(3) })
			if len(r.GetWorkers()) != 2 {
				t.Errorf("workers = %d, want the 2 that the run began with", len(r.GetWorkers()))
			}
		})
	}
}

// One worker that is known by two addresses has one shard of a run that it joined by either.
func TestAWorkerJoinsOnce(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	first, second := newWorker(t), newWorker(t)
	s, crowd := startCrowd(t, 1, first, second, second, first)
	request := &fanoutv1.CreateRunRequest{Plan: openLoop(o.URL()+"/ok", 100, 8*time.Second)}
	r := s.carryOutWhile(t, o, request, func() { crowd.known.Store(4) })
	if len(r.GetWorkers()) != 2 {
		t.Errorf("workers = %v, want 2", r.GetWorkers())
	}
	wantSeen(t, o, 800)
}

// A worker that drains leaves an open loop with nothing lost, and the load goes on without it.
func TestAWorkerLeavesAnOpenLoop(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	leaving := newWorker(t)
	s, crowd := startCrowd(t, 2, newWorker(t), leaving)
	request := &fanoutv1.CreateRunRequest{Plan: openLoop(o.URL()+"/ok", 200, 6*time.Second)}
	r := s.carryOutWhile(t, o, request, func() {
		eventually(t, "a second of load", func() bool { return o.Ledger().Total() > 200 })
		crowd.known.Store(1)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		leaving.Drain(ctx)
		if ctx.Err() != nil {
			t.Error("Drain went on for too long")
		}
	})
	if c := r.GetTally().GetCounts(); c.GetResponses() != 1200 {
		t.Errorf("counts = %s, want 1200 responses", counts(r))
	}
	wantSeen(t, o, 1200)
}

// A worker of another version, but of the same protocol, takes part; the log names both versions.
func TestAWorkerOfAnotherVersion(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	other := worker.New(worker.Config{Version: "v1.3.0"})
	t.Cleanup(other.Close)
	log := new(logtest.Log)
	r := startWith(t, coordinator.Config{Version: "v1.2.0", Log: slog.New(slog.NewTextHandler(log, nil))}, other).carryOut(t, closedLoop(o.URL()+"/ok", 10, 1))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_PASSED, "")
	found := log.With("of another version")
	if len(found) != 1 || !strings.Contains(found[0], "worker="+address(0)+" worker_version=v1.3.0 version=v1.2.0") {
		t.Errorf("log = %q, want one line with both versions", found)
	}
}
