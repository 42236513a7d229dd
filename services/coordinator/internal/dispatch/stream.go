package dispatch

import (
	"cmp"
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
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Shard is what a worker is to carry out under a lease.
type Shard struct {
	RunID       string
	ID          string
	Concurrency int64
	Epoch       int64
	Lease       time.Duration
	LeaseID     string // "" opens the shard; otherwise the call attaches to it
}

// Final is how a shard ended. The numbers of Reason are those of fanout.v1.FinishReason.
type Final struct {
	Tally  *tally.Snapshot // nil: the worker's process died
	Effort *run.Effort
	Died   bool
	// Completed says that the shard came to its own end: its last slot, or that of its load.
	Completed bool
	Blocked   string // one sentence on the target that the worker's egress guard refused, when that ended the shard; "" otherwise
	// Stopped says that somebody has stopped the shard.
	Stopped bool
	Granted int64 // slots that the worker knew of
	Claimed int64 // of a process that died: slots that it had begun, at most
}

// Sink takes what a stream brings, in its order, from one goroutine. It does not keep the rows.
type Sink interface {
	Started(sequence int64)
	Outcomes(sequence int64, rows []outcome.Outcome)
	Tally(sequence int64, t *tally.Snapshot)
	Finished(sequence int64, final *Final)
}

// Stream is one FanOut call.
type Stream struct {
	started  chan struct{} // closed by admitted when the worker has admitted the shard
	admitted sync.Once
	leaseID  string        // to be read after started
	done     chan struct{} // closed when nothing more comes
	err      error         // why the stream ended; nil after finished; to be read after done
}

// Open opens or attaches the shard's call on the worker and hands on what it brings, until the stream or ctx ends.
func (w *Worker) Open(ctx context.Context, p *plan.Plan, shard Shard, sink Sink) *Stream {
	s := &Stream{started: make(chan struct{}), done: make(chan struct{})}
	request := &fanoutv1.FanOutRequest{Plan: wire.PlanProto(p), Shard: wire.ShardProto(&wire.Shard{
		RunID:       shard.RunID,
		ShardID:     shard.ID,
		Concurrency: shard.Concurrency,
		Epoch:       shard.Epoch,
		Lease:       shard.Lease,
		LeaseID:     shard.LeaseID,
	})}
	go func() {
		defer close(s.done)
		s.err = s.run(ctx, w.connection(), request, sink)
	}()
	return s
}

// LeaseID is the shard's lease. It is to be read after Started.
func (s *Stream) LeaseID() string { return s.leaseID }

// Started is closed when the worker has admitted the shard.
func (s *Stream) Started() <-chan struct{} { return s.started }

// Done is closed when nothing more comes.
func (s *Stream) Done() <-chan struct{} { return s.done }

// Err is why the stream ended without finished; nil after finished. It is to be read after Done. ErrNoLease is within it when the worker
// does not hold the lease.
func (s *Stream) Err() error { return s.err }

// ErrNoLease says that a worker does not hold a lease: it never will again.
var ErrNoLease = errors.New("the worker does not hold the lease")

// rpcError is the error of a call, with what it means.
func rpcError(err error) error {
	if rpcerr.IsNotFound(err) {
		return fmt.Errorf("%w: %s", ErrNoLease, rpcerr.Text(err))
	}
	return errors.New(rpcerr.Text(err))
}

// fanOut is the description of the call, for a stream whose messages are taken as bytes.
var fanOut = &fanoutv1.WorkerService_ServiceDesc.Streams[0]

func (s *Stream) run(ctx context.Context, conn Conn, request *fanoutv1.FanOutRequest, sink Sink) error {
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
		return rpcError(err)
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
			return rpcError(err)
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
			s.admitted.Do(func() {
				s.leaseID = event.Started.GetLeaseId()
				close(s.started)
			})
		case *fanoutv1.FanOutResponse_Tally:
			sink.Tally(sequence, wire.Snapshot(event.Tally))
		case *fanoutv1.FanOutResponse_Finished:
			sink.Finished(sequence, newFinal(event.Finished))
			finished = true
		default:
			return fmt.Errorf("it sent a message of an unknown kind, number %d: is it of another version?", sequence)
		}
	}
}

// newFinal is the end that a worker tells.
func newFinal(pb *fanoutv1.FanOutFinished) *Final {
	if pb.GetReason() == fanoutv1.FinishReason_FINISH_REASON_PROCESS_DIED {
		return &Final{Died: true, Granted: max(pb.GetGrantedCount(), 0), Claimed: max(pb.GetClaimedCount(), 0)}
	}
	t := wire.Snapshot(pb.GetTally())
	if t == nil {
		t = new(tally.Snapshot)
	}
	blocked := ""
	if pb.GetReason() == fanoutv1.FinishReason_FINISH_REASON_BLOCKED {
		blocked = cmp.Or(pb.GetBlockedMessage(), "it does not say which target")
	}
	return &Final{
		Blocked: blocked,
		Tally:   t, Effort: wire.Effort(pb.GetEffort()), Granted: max(pb.GetGrantedCount(), 0),
		Completed: pb.GetReason() == fanoutv1.FinishReason_FINISH_REASON_COMPLETED,
		Stopped:   pb.GetReason() == fanoutv1.FinishReason_FINISH_REASON_STOPPED,
	}
}
