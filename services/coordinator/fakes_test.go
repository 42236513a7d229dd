package coordinator_test

import (
	"context"
	"sync"
	"sync/atomic"
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
	return &fanoutv1.GetWorkerResponse{InstanceId: "fake", ClockNanos: int64(time.Since(born))}, nil
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

// sluggishWorker is silent on the first call, and a real worker after it.
type sluggishWorker struct {
	*worker.Worker
	calls atomic.Int64
}

func (w *sluggishWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	if w.calls.Add(1) == 1 {
		<-s.Context().Done()
		return s.Context().Err()
	}
	return w.Worker.FanOut(request, s)
}

// deafWorker starts its shard, has an outcome, and then neither goes on nor hears that it should stop.
type deafWorker struct{ polite }

func (deafWorker) StopFanOut(context.Context, *fanoutv1.StopFanOutRequest) (*fanoutv1.StopFanOutResponse, error) {
	return &fanoutv1.StopFanOutResponse{}, nil
}

func (deafWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	a := &actor{stream: s, shard: request.GetShard()}
	a.started()
	a.rows(1)
	<-s.Context().Done()
	return s.Context().Err()
}

// brokenWorker ends its stream after some outcomes.
type brokenWorker struct {
	polite
	rows int64
	err  error // how it ends
}

func (w *brokenWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	a := &actor{stream: s, shard: request.GetShard()}
	a.started()
	a.rows(w.rows)
	return w.err
}

// lyingWorker says that it has carried out its shard, and contradicts itself.
type lyingWorker struct {
	polite
	lie func(*actor)
}

func (w *lyingWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	a := &actor{stream: s, shard: request.GetShard()}
	a.started()
	w.lie(a)
	return nil
}

// actor plays a worker's part of the stream. Errors of the stream are not its business.
type actor struct {
	stream   stream
	shard    *fanoutv1.Shard
	sequence int64
	next     int64 // ordinal of the next slot
	sum      tally.Tally
}

func (a *actor) send(m *fanoutv1.FanOutResponse) {
	a.sequence++
	m.Sequence = a.sequence
	_ = a.stream.Send(m)
}

// started sends started and waits for the run's start.
func (a *actor) started() {
	a.send(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{RunId: a.shard.GetRunId()}}})
	select {
	case <-time.After(time.Until(born.Add(time.Duration(a.shard.GetStartClockNanos())))):
	case <-a.stream.Context().Done():
	}
}

func (a *actor) planned() int64 { return a.shard.GetGrants()[0].GetCount() }

// rows sends a batch of the next n slots, all of them answered.
func (a *actor) rows(n int64) {
	batch := &fanoutv1.OutcomeBatch{}
	for range n {
		g := a.shard.GetGrants()[0]
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
	a.send(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{Tally: wire.SnapshotProto(s)}}})
}

// recordingWorker is a real worker that keeps what it was told and what it said.
type recordingWorker struct {
	*worker.Worker

	mu       sync.Mutex
	starts   []time.Time         // of its shards, on the clock of the test; guarded by mu
	outcomes []*fanoutv1.Outcome // guarded by mu
}

func (w *recordingWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	now := time.Now()
	info, err := w.GetWorker(s.Context(), &fanoutv1.GetWorkerRequest{})
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.starts = append(w.starts, now.Add(time.Duration(request.GetShard().GetStartClockNanos()-info.GetClockNanos())))
	w.mu.Unlock()
	return w.Worker.FanOut(request, &recordingStream{s, w})
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
