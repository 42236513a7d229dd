package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// A lease that is not renewed ends: what is in flight finishes, what nobody claimed is LEASE_LOST, and the end is there for whoever
// attaches.
func TestLeaseExpires(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		listens bool
		start   bool
	}{{"heard", true, true}, {"unheard", false, true}, {"before it has begun", true, false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(5000, 2), o.URL()+"/delay/20ms"))
			h.lease = time.Second
			a := h.open()
			r := &fanoutv1.RenewLeaseRequest{Grants: consecutive(0, 1000)}
			if tt.start {
				r.StartClockNanos = h.now()
			}
			h.renew(r)
			if !tt.listens {
				a.cancel()
				<-a.done
				a = h.attach()
			}
			f := a.end(t)
			wantEnd(t, f, fanoutv1.FinishReason_FINISH_REASON_LEASE_EXPIRED, 1000)
			wantNotSent(t, f, fanoutv1.NotSentReason_NOT_SENT_REASON_LEASE_LOST)
			if n := f.GetTally().GetCounts().GetResponses(); n != o.Ledger().Total() || (n > 0) != tt.start {
				t.Errorf("responses = %d, and the target saw %d", n, o.Ledger().Total())
			}
			late := h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 1000, Grants: consecutive(1000, 9)})
			if late.GetState() != fanoutv1.LeaseState_LEASE_STATE_ENDED || late.GetGrantedCount() != 1000 {
				t.Errorf("RenewLease() after the end = %v, want it ended with 1000 slots", late)
			}
			wantEnd(t, h.attach().end(t), fanoutv1.FinishReason_FINISH_REASON_LEASE_EXPIRED, 1000)
		})
	}
}

// A stop ends the shard, whatever it has in flight, and what it was granted and has not begun is CANCELLED.
func TestStopOfALease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		path  string
		runs  bool // until it is stopped
		start bool
	}{
		{"while it sends", "/delay/5ms", true, true},
		{"while all stalls", "/stall", true, true},
		{"right after its first grant", "/delay/5ms", false, true},
		{"before its start", "/delay/5ms", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(5000, 2), o.URL()+tt.path))
			a := h.open()
			r := &fanoutv1.RenewLeaseRequest{Grants: consecutive(0, 500)}
			if tt.start {
				r.StartClockNanos = h.now()
			}
			h.renew(r)
			if tt.runs {
				h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() >= 2 })
			}
			for range 2 {
				h.renew(&fanoutv1.RenewLeaseRequest{Stop: true})
			}
			f := a.end(t)
			wantEnd(t, f, fanoutv1.FinishReason_FINISH_REASON_STOPPED, 500)
			wantNotSent(t, f, fanoutv1.NotSentReason_NOT_SENT_REASON_CANCELLED)
			if c := f.GetTally().GetCounts(); (c.GetErrors() > 0) != (tt.path == "/stall") {
				t.Errorf("counts = %v, want errors only where requests stall", c)
			}
		})
	}
}

// A worker that drains says so, takes no shard, runs out what it has, and is drained when the account was fetched.
func TestDrainOfALease(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(500, 2), o.URL()+"/delay/5ms"))
	a := h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 20)})
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		h.worker.Drain(context.Background())
	}()
	h.until(func(r *fanoutv1.RenewLeaseResponse) bool {
		return r.GetState() == fanoutv1.LeaseState_LEASE_STATE_DRAINING
	})
	other := startedElsewhere(h)
	<-other.done
	wantCode(t, "opening a shard on a worker that drains", other.err, codes.Unavailable)
	h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 20, LastGrant: true})
	f := a.end(t)
	wantEnd(t, f, fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 20)
	if n := f.GetTally().GetCounts().GetResponses(); n != 20 {
		t.Errorf("responses = %d, want all 20", n)
	}
	select {
	case <-drained:
		t.Error("Drain() returned before the account was fetched and released")
	default:
	}
	h.renew(&fanoutv1.RenewLeaseRequest{Release: true})
	<-drained
}

// startedElsewhere opens a shard of another run on the worker.
func startedElsewhere(h *leaseholder) *attachment {
	other := *h
	other.id = ""
	other.plan = planOf(closedLoop(10, 1), h.plan.GetRequests()[0].GetUrl())
	return other.attachAs("another")
}

// Close ends a shard at once, whether it has begun or waits for its first grant.
func TestCloseEndsLeases(t *testing.T) {
	t.Parallel()
	for _, begins := range []bool{false, true} {
		o := oracle(t)
		h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(500, 2), o.URL()+"/stall"))
		h.lease = time.Hour
		a := h.open()
		if begins {
			h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 20)})
			h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() == 2 })
		}
		h.worker.Close()
		f := a.end(t)
		if granted := f.GetGrantedCount(); granted != 20 && begins || granted != 0 && !begins {
			t.Errorf("finished with %d granted, begun: %v", granted, begins)
		}
	}
}

// copyState copies a state directory as a process that was killed would leave it.
func copyState(t *testing.T, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	marks, err := filepath.Glob(filepath.Join(from, "*.mark"))
	if err != nil || len(marks) == 0 {
		t.Fatalf("marks in the state directory = %v, %v, want some", marks, err)
	}
	for _, mark := range marks {
		data, err := os.ReadFile(mark)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(mark)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func openState(t *testing.T, path string) *worker.State {
	t.Helper()
	state, err := worker.OpenState(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := state.Close(); err != nil {
			t.Errorf("Close() = %v, want no error", err)
		}
	})
	return state
}

// The process after one that died says how many slots that had begun at most, until it is released; and nothing of others.
func TestProcessDied(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	path := t.TempDir()
	h := startLeaseholder(t, worker.Config{State: openState(t, path)}, planOf(closedLoop(500, 2), o.URL()+"/stall"))
	h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 50)})
	h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() == 2 })

	after := startLeaseholder(t, worker.Config{State: openState(t, copyState(t, path))}, h.plan)
	after.id = h.id
	for range 2 {
		a := after.attach()
		f := a.end(t)
		if f.GetReason() != fanoutv1.FinishReason_FINISH_REASON_PROCESS_DIED || f.GetGrantedCount() != 50 || f.GetClaimedCount() != 2 || f.GetTally() != nil {
			t.Errorf("finished = %v, want PROCESS_DIED with 2 of 50 claimed and no tally", f)
		}
		if a.started.GetLeaseId() != h.id {
			t.Errorf("started has lease %q, want %q", a.started.GetLeaseId(), h.id)
		}
	}
	_, err := after.client.RenewLease(t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: h.id, Epoch: 1})
	wantCode(t, "renewing the lease of a process that died", err, codes.NotFound)
	if got := after.renew(&fanoutv1.RenewLeaseRequest{Release: true}); got.GetGrantedCount() != 50 || got.GetClaimedCount() != 2 ||
		got.GetState() != fanoutv1.LeaseState_LEASE_STATE_ENDED {
		t.Errorf("RenewLease(release) = %v, want it ended with 2 of 50 claimed", got)
	}
	after.wantGone()
}

// What a worker has released, its successor knows nothing of.
func TestReleasedLeaseLeavesNoMark(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	path := t.TempDir()
	h := startLeaseholder(t, worker.Config{State: openState(t, path)}, planOf(closedLoop(500, 2), o.URL()+"/ok"))
	a := h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 5), LastGrant: true})
	a.end(t)
	h.renew(&fanoutv1.RenewLeaseRequest{Release: true})
	if marks, err := filepath.Glob(filepath.Join(path, "*.mark")); err != nil || len(marks) > 0 {
		t.Errorf("marks after the release = %v, %v, want none", marks, err)
	}
}
