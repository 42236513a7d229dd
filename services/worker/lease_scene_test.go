package worker_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

// leaseOfTest is longer than a test takes.
const leaseOfTest = 20 * time.Second

// leaseholder is a worker, and a plan whose one shard it is to carry out under a lease.
type leaseholder struct {
	t      *testing.T
	worker *worker.Worker
	client fanoutv1.WorkerServiceClient
	plan   *fanoutv1.Plan
	lease  time.Duration
	id     string // of the lease
	epoch  int64

	concurrency int64 // with which it is opened and attached to; 0 is 2
}

// startLeaseholder starts a worker that ends with the test.
func startLeaseholder(t *testing.T, config worker.Config, plan *fanoutv1.Plan) *leaseholder {
	t.Helper()
	w, client := start(t, config)
	t.Cleanup(w.Close)
	return &leaseholder{t: t, worker: w, client: client, plan: plan, lease: leaseOfTest, epoch: 1}
}

// attachment is one stream of a shard. What it brought is to be read after done.
type attachment struct {
	cancel   context.CancelFunc
	started  *fanoutv1.FanOutStarted // nil: the call was refused
	rows     map[int64]*fanoutv1.Outcome
	finished *fanoutv1.FanOutFinished
	err      error
	done     chan struct{}
}

// attach attaches to the lease, or opens it if there is none, and waits until the worker has answered.
func (h *leaseholder) attach() *attachment { return h.attachAs("run") }

// request opens the shard of a run, or attaches to the lease.
func (h *leaseholder) request(run string) *fanoutv1.FanOutRequest {
	return &fanoutv1.FanOutRequest{Plan: h.plan, Shard: &fanoutv1.Shard{
		RunId: run, ShardId: "s0", Concurrency: cmp.Or(h.concurrency, 2), Epoch: h.epoch, LeaseId: h.id, LeaseDuration: durationpb.New(h.lease),
	}}
}

// attachAs is attach to the shard of a run.
func (h *leaseholder) attachAs(run string) *attachment {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	a := &attachment{cancel: cancel, rows: map[int64]*fanoutv1.Outcome{}, done: make(chan struct{})}
	stream, err := h.client.FanOut(ctx, h.request(run))
	if err != nil {
		h.t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		a.err = err
		close(a.done)
		return a
	}
	a.started = first.GetStarted()
	go a.read(stream, first.GetSequence())
	return a
}

func (a *attachment) read(stream fanoutv1.WorkerService_FanOutClient, sequence int64) {
	defer close(a.done)
	for {
		m, err := stream.Recv()
		switch sequence++; {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			a.err = err
			return
		case m.GetSequence() != sequence:
			a.err = errors.New("a message is missing, or came twice")
			return
		}
		for _, o := range m.GetOutcomes().GetOutcomes() {
			if a.rows[o.GetSlot()] != nil {
				a.err = errors.New("a slot came twice")
			}
			a.rows[o.GetSlot()] = o
		}
		if m.GetFinished() != nil {
			a.finished = m.GetFinished()
		}
	}
}

// end waits for the shard's end.
func (a *attachment) end(t *testing.T) *fanoutv1.FanOutFinished {
	t.Helper()
	<-a.done
	if a.err != nil || a.finished == nil {
		t.Fatalf("the stream ended with %v, want finished", a.err)
	}
	if pb := a.finished.GetTally(); pb != nil { // else the process died
		if _, err := wire.Snapshot(pb).Tally(); err != nil {
			t.Errorf("final tally: %v", err)
		}
	}
	return a.finished
}

// open opens the shard.
func (h *leaseholder) open() *attachment {
	h.t.Helper()
	a := h.attach()
	if a.err != nil || a.started.GetLeaseId() == "" {
		h.t.Fatalf("opening the shard = %v, lease %q, want a lease", a.err, a.started.GetLeaseId())
	}
	h.id = a.started.GetLeaseId()
	return a
}

// renew renews the lease, which has to go well.
func (h *leaseholder) renew(r *fanoutv1.RenewLeaseRequest) *fanoutv1.RenewLeaseResponse {
	h.t.Helper()
	r.LeaseId, r.Epoch = h.id, h.epoch
	response, err := h.client.RenewLease(h.t.Context(), r)
	if err != nil {
		h.t.Fatalf("RenewLease(%v) = %v, want no error", r, err)
	}
	return response
}

// until renews the lease until the answer is as it should be.
func (h *leaseholder) until(is func(*fanoutv1.RenewLeaseResponse) bool) *fanoutv1.RenewLeaseResponse {
	h.t.Helper()
	for {
		if r := h.renew(&fanoutv1.RenewLeaseRequest{}); is(r) {
			return r
		}
		time.Sleep(time.Millisecond)
	}
}

// now is what the worker's clock reads.
func (h *leaseholder) now() int64 {
	h.t.Helper()
	who, err := h.client.GetWorker(h.t.Context(), &fanoutv1.GetWorkerRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return who.GetClockNanos()
}

// consecutive is so many slots in a row.
func consecutive(first, count int64) []*fanoutv1.Grant {
	return []*fanoutv1.Grant{{FirstSlot: first, Stride: 1, Count: count}}
}

// wantEnd holds the end of a shard against its reason and its counts.
func wantEnd(t *testing.T, f *fanoutv1.FanOutFinished, reason fanoutv1.FinishReason, granted int64) {
	t.Helper()
	c := f.GetTally().GetCounts()
	if f.GetReason() != reason || f.GetGrantedCount() != granted {
		t.Errorf("finished = %v with %d granted, want %v with %d", f.GetReason(), f.GetGrantedCount(), reason, granted)
	}
	if c.GetPlanned() != granted || c.GetResponses()+c.GetErrors()+c.GetNotSent() != granted {
		t.Errorf("counts = %v, want all %d settled", c, granted)
	}
}

// wantNotSent fails unless all slots that were not sent were not for the reason, and some were.
func wantNotSent(t *testing.T, f *fanoutv1.FanOutFinished, reason fanoutv1.NotSentReason) {
	t.Helper()
	all := f.GetTally().GetNotSent()
	if len(all) != 1 || all[0].GetReason() != reason || all[0].GetCount() != f.GetTally().GetCounts().GetNotSent() {
		t.Errorf("not sent = %v, want some, all of them %v", all, reason)
	}
}

// wantGone fails unless the worker holds the lease no more.
func (h *leaseholder) wantGone() {
	h.t.Helper()
	a := h.attach()
	<-a.done
	wantCode(h.t, "attaching to a lease that is not held", a.err, codes.NotFound)
	_, err := h.client.RenewLease(h.t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: h.id, Epoch: h.epoch})
	wantCode(h.t, "renewing a lease that is not held", err, codes.NotFound)
}
