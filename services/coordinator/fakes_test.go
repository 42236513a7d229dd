package coordinator_test

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

type stream = grpc.ServerStreamingServer[fanoutv1.FanOutResponse]

// born is the clock of all fakes.
var born = time.Now()

// polite says who it is, and has no other manners.
type polite struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (polite) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "fake", Protocol: wire.Protocol, ClockNanos: int64(time.Since(born))}, nil
}

// otherWorker is of a version whose protocol is another.
type otherWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (otherWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "other", Version: "v9.8.7", Protocol: wire.Protocol + 1}, nil
}

// muteWorker accepts connections and never says who it is.
type muteWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (muteWorker) GetWorker(ctx context.Context, _ *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// refusingWorker refuses every shard.
type refusingWorker struct{ polite }

func (refusingWorker) FanOut(*fanoutv1.FanOutRequest, stream) error {
	return status.Error(codes.ResourceExhausted, "no room for this shard")
}

// silentWorker never says that it has started.
type silentWorker struct{ polite }

func (silentWorker) FanOut(_ *fanoutv1.FanOutRequest, s stream) error {
	<-s.Context().Done()
	return s.Context().Err()
}

// slowWorker is a real worker that takes a second to admit a shard.
type slowWorker struct{ *worker.Worker }

func (w *slowWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	time.Sleep(time.Second)
	return w.Worker.FanOut(request, s)
}

// actingWorker admits a shard, waits for its first grants, and plays a part then. It takes renewals as a worker does that knows its
// counts, and holds no lease once its stream has ended.
type actingWorker struct {
	polite
	act  func(*actor)
	err  error // how the stream ends
	deaf bool  // it answers no renewal after the first

	mu      sync.Mutex
	granted int64 // guarded by mu
	first   chan *fanoutv1.RenewLeaseRequest
}

// acting is an actingWorker.
func acting(err error, act func(*actor)) *actingWorker {
	return &actingWorker{act: act, err: err, first: make(chan *fanoutv1.RenewLeaseRequest, 1)}
}

func (w *actingWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	if request.GetShard().GetLeaseId() != "" {
		return status.Error(codes.NotFound, "the lease is not held")
	}
	a := &actor{stream: s, shard: request.GetShard()}
	a.send(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{
		RunId: a.shard.GetRunId(), LeaseId: "lease",
	}}})
	select {
	case a.renewal = <-w.first:
	case <-s.Context().Done():
		return s.Context().Err()
	}
	select {
	case <-time.After(time.Until(born.Add(time.Duration(a.renewal.GetStartClockNanos())))):
	case <-s.Context().Done():
	}
	w.act(a)
	return w.err
}

func (w *actingWorker) RenewLease(ctx context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf && w.granted > 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if before := w.granted; len(request.GetGrants()) > 0 && before == 0 {
		for _, g := range request.GetGrants() {
			w.granted += g.GetCount()
		}
		w.first <- request
	}
	return &fanoutv1.RenewLeaseResponse{
		ClockNanos: int64(time.Since(born)), GrantedCount: w.granted, State: fanoutv1.LeaseState_LEASE_STATE_ACTIVE,
	}, nil
}

// actor plays a worker's part of the stream. Errors of the stream are not its business.
type actor struct {
	stream   stream
	shard    *fanoutv1.Shard
	renewal  *fanoutv1.RenewLeaseRequest // with the first grants
	sequence int64
	next     int64 // ordinal of the next slot
	sum      tally.Tally
}

func (a *actor) send(m *fanoutv1.FanOutResponse) {
	a.sequence++
	m.Sequence = a.sequence
	_ = a.stream.Send(m)
}

func (a *actor) planned() int64 { return a.renewal.GetGrants()[0].GetCount() }

// rows sends a batch of the next n slots, all of them answered.
func (a *actor) rows(n int64) {
	batch := &fanoutv1.OutcomeBatch{}
	for range n {
		g := a.renewal.GetGrants()[0]
		o := outcome.Outcome{Slot: g.GetFirstSlot() + a.next*g.GetStride(), Status: 200, Service: time.Millisecond, FirstByte: time.Millisecond}
		a.next++
		a.sum.Add(&o, "")
		a.sum.Records++
		batch.Outcomes = append(batch.Outcomes, wire.OutcomeProto(&o))
	}
	a.send(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: batch}})
}

// finished sends the final tally.
func (a *actor) finished() {
	a.sum.Counts.Planned = a.sum.Counts.Settled()
	s := a.sum.Snapshot(true)
	s.Seconds = []tally.Second{{Second: 0, Tally: s}}
	a.send(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{
		Tally: wire.SnapshotProto(s), GrantedCount: a.planned(), Reason: fanoutv1.FinishReason_FINISH_REASON_COMPLETED,
	}}})
}

// recordingWorker is a real worker that keeps what it was told and what it said.
type recordingWorker struct {
	*worker.Worker

	mu       sync.Mutex
	starts   []time.Time         // of its shards, on the clock of the test; guarded by mu
	outcomes []*fanoutv1.Outcome // guarded by mu
}

func (w *recordingWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	return w.Worker.FanOut(request, &recordingStream{s, w})
}

func (w *recordingWorker) RenewLease(ctx context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	now := time.Now()
	response, err := w.Worker.RenewLease(ctx, request)
	if err == nil && request.GetStartClockNanos() > 0 {
		w.mu.Lock()
		w.starts = append(w.starts, now.Add(time.Duration(request.GetStartClockNanos()-response.GetClockNanos())))
		w.mu.Unlock()
	}
	return response, err
}

type recordingStream struct {
	stream
	worker *recordingWorker
}

func (s *recordingStream) Send(m *fanoutv1.FanOutResponse) error {
	encoded, err := proto.Marshal(m) // rows are known only to who decodes the message
	if err != nil {
		return err
	}
	var sent fanoutv1.FanOutResponse
	if err := proto.Unmarshal(encoded, &sent); err != nil {
		return err
	}
	s.worker.mu.Lock()
	s.worker.outcomes = append(s.worker.outcomes, sent.GetOutcomes().GetOutcomes()...)
	s.worker.mu.Unlock()
	return s.stream.Send(m)
}
