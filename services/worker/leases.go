package worker

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"syscall"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/worker/internal/batch"
)

const (
	// keepFinished is how long the final message of a shard is kept for a coordinator that has not released it; at most maxFinished are,
	// and no more than have finishedBytes: one has some 10 KB, and 64 groups in two minutes of seconds that nobody acknowledged megabytes.
	keepFinished  = time.Hour
	maxFinished   = 1000
	finishedBytes = 128 << 20
)

// serveLease opens the shard, or attaches to it, and writes its stream.
func (w *Worker) serveLease(j *job, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	e, err := w.leased(stream.Context(), j)
	if err != nil {
		return err
	}
	if e == nil {
		return w.sayDead(j, stream)
	}
	if err := mine(stream.Context(), "lease_id", e.lease.ID, e.key.subject); err != nil {
		return err
	}
	if err := e.lease.Attach(j.shard.Epoch); err != nil {
		return rpcerr.Fenced(err.Error())
	}
	ctx := stream.Context()
	patient := grpcserve.Patiently(stream.Send, w.config.Unread, nil)
	defer patient.Close()
	attached, err := e.outlet.Serve(ctx, j.shard.Epoch, patient.Send)
	switch {
	case errors.Is(err, batch.ErrReplaced):
		return rpcerr.Replaced(err.Error())
	case attached || err != nil:
		return err
	}
	select {
	case <-e.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	final, err := e.message()
	if err != nil {
		w.config.Log.Error("reading a final message", "run_id", e.key.run, "error", err)
		return rpcerr.Internal()
	}
	// The number of the final message: all others before it may be of messages that were lost with another stream.
	started := &fanoutv1.FanOutResponse{Sequence: final.GetSequence(), Event: &fanoutv1.FanOutResponse_Started{Started: e.started}}
	if err := patient.Send(started); err != nil {
		return err
	}
	return patient.Send(&fanoutv1.FanOutResponse{Sequence: final.GetSequence() + 1, Event: final.GetEvent()})
}

// leased is the execution that the job means: the one that it attaches to, the one that has been opened with its name already, or a new
// one. One that is over with nothing granted was opened by a coordinator that died before it could grant, and does not count. Nil without
// an error is a shard whose process died.
func (w *Worker) leased(ctx context.Context, j *job) (*execution, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id := j.shard.LeaseID; id != "" {
		if e := w.leases[id]; e != nil {
			return e, nil
		}
		if _, ok := w.config.State.Dead(id); ok {
			return nil, nil
		}
		return nil, rpcerr.NotFound("lease_id %.80q is not held by this worker", id)
	}
	for _, e := range w.leases {
		if e.key == j.key && !e.cameToNothing() {
			return e, nil
		}
	}
	return w.openLocked(ctx, j)
}

// openLocked opens a shard.
func (w *Worker) openLocked(ctx context.Context, j *job) (*execution, error) {
	if w.draining {
		return nil, rpcerr.ShuttingDown("worker")
	}
	if w.calls[j.key] != nil {
		return nil, rpcerr.AlreadyExists("shard %.80q of run %.80q is running on this worker already", j.key.shard, j.key.run)
	}
	if err := w.take(j); err != nil {
		return nil, err
	}
	id := rand.Text()
	m, err := w.config.State.Create(id)
	if err != nil {
		w.giveBack(j.key, j.need)
		w.config.Log.Error("making a crash mark", "run_id", j.key.run, "error", err)
		return nil, rpcerr.NoState("the worker's --state-dir takes no mark for the lease" + because(err) + "; its log has the details")
	}
	w.forgetLocked()
	c := newExecution(w, j, id, m, w.newTrail(ctx, j.key))
	w.leases[id] = c.execution
	w.going.Go(c.carryOut)
	return c.execution, nil
}

// because is what the system says of an error, without the path that it was about, which is none of a caller's business.
func because(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	return " (" + errno.Error() + ")"
}

// sayDead tells of a shard whose process died what its mark says.
func (w *Worker) sayDead(j *job, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	id := j.shard.LeaseID
	count, ok := w.config.State.Dead(id)
	if !ok {
		return rpcerr.NotFound("lease_id %.80q is not held by this worker", id)
	}
	started := &fanoutv1.FanOutStarted{RunId: j.key.run, Caps: w.caps, LeaseId: id}
	if err := stream.Send(&fanoutv1.FanOutResponse{Sequence: 1, Event: &fanoutv1.FanOutResponse_Started{Started: started}}); err != nil {
		return err
	}
	return stream.Send(&fanoutv1.FanOutResponse{Sequence: 2, Event: &fanoutv1.FanOutResponse_Finished{Finished: &fanoutv1.FanOutFinished{
		Reason:       fanoutv1.FinishReason_FINISH_REASON_PROCESS_DIED,
		GrantedCount: count.Granted, ClaimedCount: count.Claimed,
	}}})
}

// leaveLease gives back what a shard took that is over; its final message stays.
func (w *Worker) leaveLease(e *execution) {
	w.giveBack(e.key, e.need)
	time.AfterFunc(keepFinished, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.forgetLocked()
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.forgetLocked()
	w.idle.Broadcast()
}

// release forgets a shard that is over, and whose account is kept elsewhere.
func (w *Worker) release(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.leases[id]; e != nil && e.isOver() {
		w.dropLocked(e)
	}
}

// dropLocked forgets a shard that is over.
func (w *Worker) dropLocked(e *execution) {
	delete(w.leases, e.lease.ID)
	if err := e.mark.Remove(); err != nil {
		w.config.Log.Warn("removing a crash mark", "run_id", e.key.run, "error", err)
	}
	w.idle.Broadcast()
}

// forgetLocked forgets final messages that are too old or too many.
func (w *Worker) forgetLocked() {
	var over []*execution
	for _, e := range w.leases {
		if e.isOver() {
			over = append(over, e)
		}
	}
	slices.SortFunc(over, func(a, b *execution) int { return b.finished.Compare(a.finished) })
	bytes := 0
	for i, e := range over {
		bytes += len(e.final)
		if i >= maxFinished-1 || i > 0 && bytes > finishedBytes || time.Since(e.finished) >= keepFinished {
			w.dropLocked(e)
		}
	}
}
