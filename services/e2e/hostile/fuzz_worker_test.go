package hostile

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// Whatever bytes are a FanOutRequest: it is refused, or its stream ends by itself, with an account in which every slot has its
// place.
func FuzzFanOut(f *testing.F) {
	for _, p := range plans() {
		for _, s := range shards() {
			f.Add(encode(f, &fanoutv1.FanOutRequest{Plan: p, Shard: s}))
		}
	}
	client := startWorker(f, worker.Config{Caps: caps(), Dialer: refusing()})
	warm(f, client)
	var idle goroutines
	f.Fuzz(func(t *testing.T, b []byte) {
		idle.count()
		request := new(fanoutv1.FanOutRequest)
		decode(t, b, request)
		within(t, func(ctx context.Context) { fanOut(ctx, t, client, request) })
		idle.settle(t)
	})
}

// warm makes one call, so that the connection is there.
func warm(f *testing.F, client fanoutv1.WorkerServiceClient) {
	f.Helper()
	if _, err := client.GetWorker(context.Background(), &fanoutv1.GetWorkerRequest{}); err != nil {
		f.Fatal(err)
	}
}

// fanOut makes the call and checks its account. A lease that it opens is stopped and forgotten.
func fanOut(ctx context.Context, t *testing.T, client fanoutv1.WorkerServiceClient, request *fanoutv1.FanOutRequest) {
	t.Helper()
	stream, err := client.FanOut(ctx, request)
	if err != nil {
		refused(t, err)
		return
	}
	a := account{t: t}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			refused(t, err)
			if a.sequence > 0 {
				t.Errorf("the stream broke off after %d messages: %v", a.sequence, err)
			}
			return
		}
		a.take(message)
		if id := message.GetStarted().GetLeaseId(); id != "" {
			end := &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: request.GetShard().GetEpoch(), Stop: true}
			if _, err := client.RenewLease(ctx, end); err != nil {
				t.Errorf("RenewLease with a stop = %v", err)
			}
			defer forget(ctx, t, client, end)
		}
	}
	a.end()
}

// forget releases a lease, which is over.
func forget(ctx context.Context, t *testing.T, client fanoutv1.WorkerServiceClient, end *fanoutv1.RenewLeaseRequest) {
	t.Helper()
	end.Stop, end.Release = false, true
	if _, err := client.RenewLease(ctx, end); err != nil {
		t.Errorf("RenewLease with a release = %v", err)
	}
}

// account is what a stream has said.
type account struct {
	t        *testing.T
	sequence int64
	rows     int64
	finished *fanoutv1.Tally
	replaced bool // another stream took the place of the first, with which rows may have been lost
}

func (a *account) take(m *fanoutv1.FanOutResponse) {
	a.t.Helper()
	if m.GetSequence() <= a.sequence {
		a.t.Errorf("sequence %d follows %d", m.GetSequence(), a.sequence)
	}
	a.sequence = m.GetSequence()
	a.rows += int64(len(m.GetOutcomes().GetOutcomes()))
	closedCounts(a.t, m.GetTally().GetCounts())
	if m.GetFinished() != nil {
		a.finished = m.GetFinished().GetTally()
	}
}

// end checks the final tally against what came before.
func (a *account) end() {
	a.t.Helper()
	counts := a.finished.GetCounts()
	if a.finished == nil || counts.GetPending() != 0 || counts.GetInFlight() != 0 || counts.GetUnknown() != 0 {
		a.t.Errorf("the last message has the tally %v, want one that is settled", a.finished)
	}
	closedCounts(a.t, counts)
	told := a.rows + a.finished.GetFoldedCount() + a.finished.GetLostCount()
	if settled := counts.GetResponses() + counts.GetErrors() + counts.GetNotSent(); told != settled && !(a.replaced && told < settled) {
		a.t.Errorf("%d rows, %d folded and %d lost are not the %d slots that are settled",
			a.rows, a.finished.GetFoldedCount(), a.finished.GetLostCount(), settled)
	}
}

// closedCounts checks that every slot has its place.
func closedCounts(t *testing.T, c *fanoutv1.Counts) {
	t.Helper()
	if sum := c.GetPending() + c.GetInFlight() + c.GetResponses() + c.GetErrors() + c.GetNotSent() + c.GetUnknown(); sum != c.GetPlanned() {
		t.Errorf("%d slots are planned, and %d have their place: %v", c.GetPlanned(), sum, c)
	}
	for _, n := range []int64{c.GetPlanned(), c.GetPending(), c.GetInFlight(), c.GetResponses(), c.GetErrors(), c.GetNotSent(), c.GetUnknown()} {
		if n < 0 {
			t.Errorf("a count is negative: %v", c)
		}
	}
}

// Whatever bytes are renewals of a lease that is held: each is refused or obeyed, and the shard ends with an account in which every
// slot has its place.
func FuzzRenewLease(f *testing.F) {
	for p := range plans() {
		for i, r := range renewals() {
			f.Add(uint8(p), encode(f, r), encode(f, renewals()[(i+1)%len(renewals())]))
		}
	}
	client := startWorker(f, worker.Config{Caps: caps(), Dialer: refusing()})
	warm(f, client)
	var idle goroutines
	f.Fuzz(func(t *testing.T, p uint8, first, second []byte) {
		idle.count()
		all := []*fanoutv1.RenewLeaseRequest{{}, {}}
		decode(t, first, all[0])
		decode(t, second, all[1])
		known := plans()
		within(t, func(ctx context.Context) { renew(ctx, t, client, known[int(p)%len(known)], all) })
		idle.settle(t)
	})
}

// renew opens a shard, renews its lease, and ends it.
func renew(ctx context.Context, t *testing.T, client fanoutv1.WorkerServiceClient, p *fanoutv1.Plan, renewals []*fanoutv1.RenewLeaseRequest) {
	t.Helper()
	shard := func(lease string, epoch int64) *fanoutv1.FanOutRequest {
		return &fanoutv1.FanOutRequest{Plan: p, Shard: &fanoutv1.Shard{
			RunId: "r", ShardId: "s", Concurrency: 2, LeaseDuration: durationpb.New(time.Hour), LeaseId: lease, Epoch: epoch,
		}}
	}
	stream, err := client.FanOut(ctx, shard("", 0))
	if err != nil {
		t.Fatalf("FanOut = %v", err)
	}
	started, err := stream.Recv()
	if err != nil {
		refused(t, err)
		return
	}
	a := account{t: t}
	a.take(started)
	id, epoch := started.GetStarted().GetLeaseId(), int64(0)
	for _, r := range renewals {
		if r.GetLeaseId() == "" {
			r.LeaseId = id
		}
		_, err := client.RenewLease(ctx, r)
		refused(t, err)
		if r.GetLeaseId() == id {
			epoch = max(epoch, r.GetEpoch())
		}
	}
	end := &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: epoch, Stop: true}
	if _, err := client.RenewLease(ctx, end); err != nil {
		if renewals[0].GetRelease() || renewals[1].GetRelease() { // it was over, and was forgotten
			refused(t, err)
		} else {
			t.Errorf("RenewLease with a stop = %v", err)
		}
	}
	err = a.read(stream)
	if status.Code(err) == codes.Aborted && epoch > 0 { // a higher epoch than the stream's has renewed the lease, and attaches
		a.replaced = true
		stream, err = client.FanOut(ctx, shard(id, epoch))
		if err != nil {
			t.Fatalf("FanOut = %v", err)
		}
		err = a.read(stream)
	}
	switch {
	case err == nil:
		a.end()
	case a.replaced && status.Code(err) == codes.NotFound && (renewals[0].GetRelease() || renewals[1].GetRelease()): // it was forgotten
	default:
		t.Errorf("the stream broke off: %v", err)
	}
	_, err = client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: epoch, Release: true})
	refused(t, err)
}

// Whatever bytes are another request to a worker: it is answered.
func FuzzWorkerCalls(f *testing.F) {
	f.Add(uint8(0), encode(f, &fanoutv1.StopFanOutRequest{RunId: "r", ShardId: "s"}))
	f.Add(uint8(0), encode(f, &fanoutv1.StopFanOutRequest{RunId: string(make([]byte, 1<<16))}))
	f.Add(uint8(1), encode(f, &fanoutv1.GetWorkerRequest{}))
	f.Add(uint8(3), encode(f, &fanoutv1.WorkerServiceStopAllRequest{}))
	for _, r := range renewals() {
		f.Add(uint8(2), encode(f, r))
	}
	client := startWorker(f, worker.Config{Caps: caps(), Dialer: refusing()})
	warm(f, client)
	var idle goroutines
	calls := []func(context.Context, *testing.T, []byte) error{
		call(func(ctx context.Context, r *fanoutv1.StopFanOutRequest) (any, error) {
			return client.StopFanOut(ctx, r)
		}),
		call(func(ctx context.Context, r *fanoutv1.GetWorkerRequest) (any, error) { return client.GetWorker(ctx, r) }),
		call(func(ctx context.Context, r *fanoutv1.RenewLeaseRequest) (any, error) {
			return client.RenewLease(ctx, r)
		}),
		call(func(ctx context.Context, r *fanoutv1.WorkerServiceStopAllRequest) (any, error) {
			return client.StopAll(ctx, r)
		}),
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		idle.count()
		within(t, func(ctx context.Context) { refused(t, calls[int(which)%len(calls)](ctx, t, b)) })
		idle.settle(t)
	})
}
