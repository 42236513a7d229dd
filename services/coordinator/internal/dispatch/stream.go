package dispatch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
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
	Finished(sequence int64, t *tally.Snapshot)
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
	request := &fanoutv1.FanOutRequest{Plan: wire.PlanProto(p), Shard: &fanoutv1.Shard{
		RunId:           shard.RunID,
		ShardId:         shard.ID,
		Concurrency:     shard.Concurrency,
		StartClockNanos: int64(max(w.Clock(shard.Start), 1)),
		InstanceId:      w.InstanceID(),
	}}
	for _, g := range shard.Grants {
		request.Shard.Grants = append(request.Shard.Grants, &fanoutv1.Grant{FirstSlot: g.First, Stride: g.Stride, Count: g.Count})
	}
	go func() {
		defer close(s.done)
		s.err = s.run(ctx, w.client, request, sink)
	}()
	return s
}

// Started is closed when the worker has admitted the shard.
func (s *Stream) Started() <-chan struct{} { return s.started }

// Done is closed when nothing more comes.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Err is why the stream ended without finished; nil after finished. It is to be read after Done.
func (s *Stream) Err() error { return s.err }

func (s *Stream) run(ctx context.Context, client fanoutv1.WorkerServiceClient, request *fanoutv1.FanOutRequest, sink Sink) error {
	ctx, giveUp := context.WithCancel(ctx) // also a worker whose messages make no sense has to hear that nobody listens
	defer giveUp()
	stream, err := client.FanOut(ctx, request)
	if err != nil {
		return errors.New(rpcerr.Text(err))
	}
	finished := false
	var rows []outcome.Outcome
	for {
		message, err := stream.Recv()
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
		switch event := message.GetEvent().(type) {
		case *fanoutv1.FanOutResponse_Started:
			sink.Started(message.GetSequence())
			s.admitted.Do(func() { close(s.started) })
		case *fanoutv1.FanOutResponse_Outcomes:
			rows = rows[:0]
			for _, o := range event.Outcomes.GetOutcomes() {
				rows = append(rows, wire.Outcome(o))
			}
			sink.Outcomes(message.GetSequence(), rows)
			clear(rows)
		case *fanoutv1.FanOutResponse_Tally:
			sink.Tally(message.GetSequence(), wire.Snapshot(event.Tally))
		case *fanoutv1.FanOutResponse_Finished:
			sink.Finished(message.GetSequence(), wire.Snapshot(event.Finished.GetTally()))
			finished = true
		default:
			return fmt.Errorf("it sent a message of an unknown kind, number %d: is it of another version?", message.GetSequence())
		}
	}
}
