package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Shard is what a worker is to carry out.
type Shard struct {
	RunID       string
	ID          string
	Grants      schedule.Grants
	Concurrency int64
	Start       time.Time // on our clock
}

// Sink takes what a stream brings, in its order, from one goroutine. It does not keep the rows.
type Sink interface {
	Started(sequence int64)
	Outcomes(sequence int64, rows []outcome.Outcome)
	Tally(sequence int64, t *tally.Snapshot)
	Finished(sequence int64, t *tally.Snapshot, effort *run.Effort)
}

// Stream is one FanOut call.
type Stream struct {
	started  chan struct{} // closed by admitted when the worker has admitted the shard
	admitted sync.Once
	done     chan struct{} // closed when nothing more comes
	err      error         // why the stream ended; nil after finished; to be read after done
}

// Open opens the shard's call on the worker and hands on what it brings, until the stream or ctx ends.
func (w *Worker) Open(ctx context.Context, p *plan.Plan, shard Shard, sink Sink) *Stream {
	s := &Stream{started: make(chan struct{}), done: make(chan struct{})}
	request := &fanoutv1.FanOutRequest{Plan: wire.PlanProto(p), Shard: wire.ShardProto(&wire.Shard{
		RunID:       shard.RunID,
		ShardID:     shard.ID,
		Grants:      shard.Grants,
		Concurrency: shard.Concurrency,
		StartClock:  max(w.Clock(shard.Start), 1),
		InstanceID:  w.InstanceID(),
	})}
	go func() {
		defer close(s.done)
		s.err = s.run(ctx, w.conn, request, sink)
	}()
	return s
}

// Started is closed when the worker has admitted the shard.
func (s *Stream) Started() <-chan struct{} { return s.started }

// Done is closed when nothing more comes.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Err is why the stream ended without finished; nil after finished. It is to be read after Done.
func (s *Stream) Err() error { return s.err }

// fanOut is the description of the call, for a stream whose messages are taken as bytes.
var fanOut = &fanoutv1.WorkerService_ServiceDesc.Streams[0]

func (s *Stream) run(ctx context.Context, conn *grpc.ClientConn, request *fanoutv1.FanOutRequest, sink Sink) error {
	ctx, giveUp := context.WithCancel(ctx) // also a worker whose messages make no sense has to hear that nobody listens
	defer giveUp()
	stream, err := conn.NewStream(ctx, fanOut, fanoutv1.WorkerService_FanOut_FullMethodName)
	if err == nil {
		err = stream.SendMsg(request)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // io.EOF: the stream has ended already, and RecvMsg says why
		return errors.New(rpcerr.Text(err))
	}
	finished := false
	var rows []outcome.Outcome
	for {
		encoded, err := wire.Receive(stream)
		switch {
		case errors.Is(err, io.EOF) && finished:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("its stream ended without finished")
		case err != nil && finished: // the account is complete, whatever became of the connection
			return nil
		case err != nil:
			return errors.New(rpcerr.Text(err))
		}
		sequence, read, event, err := wire.ReadResponse(encoded, rows[:0])
		rows = read
		if err != nil {
			return fmt.Errorf("it sent what is not a message of its stream: %w", err)
		}
		if event == nil {
			sink.Outcomes(sequence, rows)
			clear(rows)
			continue
		}
		switch event := event.GetEvent().(type) {
		case *fanoutv1.FanOutResponse_Started:
			sink.Started(sequence)
			s.admitted.Do(func() { close(s.started) })
		case *fanoutv1.FanOutResponse_Tally:
			sink.Tally(sequence, wire.Snapshot(event.Tally))
		case *fanoutv1.FanOutResponse_Finished:
			sink.Finished(sequence, wire.Snapshot(event.Finished.GetTally()), wire.Effort(event.Finished.GetEffort()))
			finished = true
		default:
			return fmt.Errorf("it sent a message of an unknown kind, number %d: is it of another version?", sequence)
		}
	}
}
