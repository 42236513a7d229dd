package worker_test

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// The same shard opened a hundred times at once is one lease and one execution; one of the callers keeps the stream.
func TestOpeningManyTimesIsOneExecution(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(1000, 2), o.URL()+"/ok"))
	all := make([]*attachment, 100)
	var opening sync.WaitGroup
	for i := range all {
		opening.Go(func() { all[i] = h.attach() })
	}
	opening.Wait()
	for _, a := range all {
		if a.started == nil {
			continue // it was replaced before
		}
		if h.id == "" {
			h.id = a.started.GetLeaseId()
		}
		if got := a.started.GetLeaseId(); got != h.id || got == "" {
			t.Errorf("started has lease %q, want %q as the others", got, h.id)
		}
	}
	who, err := h.client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
	if err != nil || who.GetRunningCount() != 1 {
		t.Errorf("running calls = %d, %v, want 1", who.GetRunningCount(), err)
	}
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 50), LastGrant: true})
	kept := 0
	for _, a := range all {
		if <-a.done; a.err != nil {
			wantCode(t, "a stream that was replaced", a.err, codes.Aborted)
			continue
		}
		kept++
		wantEnd(t, a.end(t), fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 50)
	}
	if kept != 1 {
		t.Errorf("%d of the callers have the end, want 1", kept)
	}
	if n := o.Ledger().Total(); n != 50 || o.Ledger().Slots("run") != 50 {
		t.Errorf("the target saw %d requests of %d slots, want 50", n, o.Ledger().Slots("run"))
	}
}

// A lease that is not held is no shard: nothing is started for who attaches to it.
func TestUnknownLease(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(10, 2), o.URL()+"/ok"))
	h.id = "none"
	h.wantGone()
	who, err := h.client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
	if err != nil || who.GetRunningCount() != 0 {
		t.Errorf("running calls = %d, %v, want none", who.GetRunningCount(), err)
	}
}

// A renewal that is wrong, goes on from what the worker has not, or is of a lower epoch is refused and changes nothing.
func TestRefusedRenewals(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(100, 2), o.URL()+"/ok"))
	h.epoch = 5
	h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{Grants: consecutive(0, 10)})
	for _, tt := range []struct {
		name       string
		request    *fanoutv1.RenewLeaseRequest
		epoch      int64
		want       codes.Code
		violations int
	}{
		{"all fields less than nothing", &fanoutv1.RenewLeaseRequest{
			GrantedBefore: -1, ChangesBefore: -1, StartClockNanos: -1, AckedSecond: -1,
		}, -1, codes.InvalidArgument, 5},
		{"a grant without end", &fanoutv1.RenewLeaseRequest{GrantedBefore: 10, Grants: consecutive(10, 0)}, 5, codes.InvalidArgument, 1},
		{"slots beyond the run", &fanoutv1.RenewLeaseRequest{GrantedBefore: 10, Grants: consecutive(50, 51)}, 5, codes.InvalidArgument, 1},
		{"a change to nothing", &fanoutv1.RenewLeaseRequest{Changes: []*fanoutv1.LoadChange{{}}}, 5, codes.InvalidArgument, 1},
		{"a gap in the grants", &fanoutv1.RenewLeaseRequest{GrantedBefore: 11, Grants: consecutive(50, 5)}, 5, codes.OutOfRange, 0},
		{"a gap in the changes", &fanoutv1.RenewLeaseRequest{ChangesBefore: 1}, 5, codes.OutOfRange, 0},
		{"a lower epoch", &fanoutv1.RenewLeaseRequest{GrantedBefore: 10, Grants: consecutive(10, 5), Stop: true}, 4, codes.FailedPrecondition, 0},
	} {
		tt.request.LeaseId, tt.request.Epoch = h.id, tt.epoch
		_, err := h.client.RenewLease(t.Context(), tt.request)
		wantCode(t, tt.name, err, tt.want)
		if n := violations(err); n != tt.violations {
			t.Errorf("%s has %d violations, want %d: %v", tt.name, n, tt.violations, err)
		}
	}
	if got := h.renew(&fanoutv1.RenewLeaseRequest{}); got.GetGrantedCount() != 10 || got.GetChangesCount() != 0 ||
		got.GetState() != fanoutv1.LeaseState_LEASE_STATE_ACTIVE || got.GetRunOffset() != nil {
		t.Errorf("RenewLease() = %v, want 10 slots granted, and an active lease without a start", got)
	}
	h.epoch = 4
	lower := h.attach()
	<-lower.done
	wantCode(t, "attaching with a lower epoch", lower.err, codes.FailedPrecondition)
}

// What a higher epoch grants, the caller of a lower one never hears of: it does not know those slots, and would take them for a fault.
func TestRenewalOfAHigherEpochEndsTheStream(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(40, 2), o.URL()+"/ok"))
	lower := h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 10)})
	h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() == 10 })
	h.epoch = 2
	h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 10, Grants: consecutive(10, 30), LastGrant: true})
	<-lower.done
	wantCode(t, "the stream of a lower epoch", lower.err, codes.Aborted)
	for slot := range lower.rows {
		if slot >= 10 {
			t.Errorf("the stream of a lower epoch brought slot %d, want none that another has granted", slot)
		}
	}
	wantEnd(t, h.attach().end(t), fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 40)
}

// A shard with a lease outlives its streams: whoever attaches gets what is left, and the end is there until it is released.
func TestLeaseOutlivesItsStreams(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(40, 2), o.URL()+"/delay/5ms"))
	first := h.open()
	at := h.now()
	got := h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: at, Grants: consecutive(0, 20)})
	if got.GetGrantedCount() != 20 || got.GetRunOffset() == nil {
		t.Errorf("RenewLease() = %v, want 20 slots granted and an offset", got)
	}
	h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() > 4 })
	first.cancel()
	<-first.done
	again := &fanoutv1.RenewLeaseRequest{StartClockNanos: at + 1e12, Grants: consecutive(0, 20)}
	if got := h.renew(again); got.GetGrantedCount() != 20 {
		t.Errorf("RenewLease() of the same again = %v, want 20 slots granted", got)
	}
	h.until(func(r *fanoutv1.RenewLeaseResponse) bool { return r.GetClaimedCount() == 20 })
	h.renew(&fanoutv1.RenewLeaseRequest{
		GrantedBefore: 20, Grants: consecutive(20, 20), LastGrant: true, Changes: []*fanoutv1.LoadChange{{Concurrency: 5}},
	})
	second := h.attach()
	f := second.end(t)
	wantEnd(t, f, fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 40)
	if c := f.GetTally().GetCounts(); c.GetResponses() != 40 {
		t.Errorf("counts = %v, want 40 responses", c)
	}
	if rows := int64(len(first.rows) + len(second.rows)); f.GetTally().GetRecordsCount() < rows || f.GetTally().GetRecordsCount()+f.GetTally().GetFoldedCount() != 40 {
		t.Errorf("records = %d, %d folded, with %d rows received", f.GetTally().GetRecordsCount(), f.GetTally().GetFoldedCount(), rows)
	}
	if most := f.GetEffort().GetSenderCount(); most < 2 || most > 5 {
		t.Errorf("senders = %d at most, want 2, and 5 after the change", most)
	}
	if n, twice := o.Ledger().Total(), o.Ledger().Duplicates(); n != 40 || len(twice) > 0 {
		t.Errorf("the target saw %d requests, twice %v, want 40", n, twice)
	}
	third := h.attach()
	if got := third.end(t).GetTally().GetCounts(); got.GetResponses() != 40 || third.started.GetLeaseId() != h.id {
		t.Errorf("attaching after the end brings %v of lease %q, want it again", got, third.started.GetLeaseId())
	}
	if got := h.renew(&fanoutv1.RenewLeaseRequest{Release: true}); got.GetState() != fanoutv1.LeaseState_LEASE_STATE_ENDED || got.GetClaimedCount() != 40 {
		t.Errorf("RenewLease(release) = %v, want it ended with 40 claimed", got)
	}
	h.wantGone()
}

// A release does nothing to a shard that goes on.
func TestReleaseBeforeTheEnd(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(40, 2), o.URL()+"/ok"))
	a := h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{Release: true})
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 7), LastGrant: true, Release: true})
	wantEnd(t, a.end(t), fanoutv1.FinishReason_FINISH_REASON_COMPLETED, 7)
}

// A direct call may not have the name of a shard with a lease, nor one with a lease that of a direct call.
func TestNameOfALeasedShardIsTaken(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(10, 1), o.URL()+"/stall"))
	h.open()
	a := fanOut(t, t.Context(), h.client, &fanoutv1.FanOutRequest{Plan: h.plan, Shard: shardOf(0, 5)})
	wantCode(t, "a shard without a lease of the same name", a.err, codes.AlreadyExists)

	other := startLeaseholder(t, worker.Config{}, h.plan)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := other.client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: h.plan, Shard: shardOf(0, 5)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	b := other.attach()
	<-b.done
	wantCode(t, "a shard with a lease of the same name", b.err, codes.AlreadyExists)
}

// A shard whose concurrency has grown beyond what the worker takes can be attached to all the same: it was admitted once.
func TestAttachBeyondTheCap(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(10, 2), o.URL()+"/ok"))
	h.open().cancel()
	h.concurrency = 1 << 20
	h.renew(&fanoutv1.RenewLeaseRequest{
		StartClockNanos: h.now(), Grants: consecutive(0, 10), LastGrant: true, Changes: []*fanoutv1.LoadChange{{Concurrency: h.concurrency}},
	})
	f := h.attach().end(t)
	if n := f.GetTally().GetCounts().GetResponses(); n != 10 {
		t.Errorf("responses = %d, want all 10", n)
	}
}
