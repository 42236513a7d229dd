package worker

import (
	"sync"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/worker/internal/batch"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
	"github.com/fanout-load/fanout/services/worker/internal/mark"
)

// execution is a leased shard: it is carried out by goroutines of its own, whoever listens. Its lease begins it, changes it and ends
// it; at the end there is the final message, which is kept until somebody has it.
type execution struct {
	worker  *Worker
	job     *job
	lease   *lease.Lease
	mark    *mark.Mark
	queue   *batch.Queue
	outlet  *batch.Outlet
	batcher *batch.Leased
	trail   *trail
	started *fanoutv1.FanOutStarted
	begun   chan struct{} // closed when the lease has a start and slots
	stopped chan struct{} // closed when no slot may be begun any more
	over    chan struct{} // closed when final is set

	mu       sync.Mutex
	start    time.Time    // guarded by mu, like what follows
	call     *engine.Call // nil: it has not begun
	changed  int64        // the concurrency that a change asked for before the call was there; 0: none
	cause    error        // why no slot may be begun any more
	finished time.Time    // when final was set
	final    *fanoutv1.FanOutResponse
}

// newExecution makes the execution of a shard and its lease, which begins now.
func newExecution(w *Worker, j *job, id string, m *mark.Mark, t *trail) *execution {
	e := &execution{
		worker:  w,
		job:     j,
		mark:    m,
		queue:   batch.NewQueue(j.options(w.config.Caps)),
		outlet:  batch.NewOutlet(),
		trail:   t,
		started: &fanoutv1.FanOutStarted{RunId: j.key.run, Caps: w.caps, LeaseId: id},
		begun:   make(chan struct{}),
		stopped: make(chan struct{}),
		over:    make(chan struct{}),
	}
	e.batcher = batch.NewLeased(e.queue, e.outlet, e.started)
	e.job.work.Slots = lease.Growing(m.Claimed(), m.Granted(), j.endless())
	e.lease = lease.New(id, j.shard.Epoch, j.shard.Lease, e.job.work.Slots, lease.Effects{
		Begin: e.begin, Change: e.change, End: e.end,
	})
	return e
}

// begin implements lease.Effects.
func (e *execution) begin(start time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.start = start
	close(e.begun)
}

// change implements lease.Effects.
func (e *execution) change(concurrency int64) {
	e.mu.Lock()
	call := e.call
	e.changed = concurrency
	e.mu.Unlock()
	if call != nil {
		call.SetConcurrency(concurrency)
	}
}

// end implements lease.Effects.
func (e *execution) end(cause error) {
	e.mu.Lock()
	call := e.call
	if e.cause == nil {
		e.cause = cause
		close(e.stopped)
	}
	e.mu.Unlock()
	if call != nil {
		endCall(call, cause)
	}
}

// endCall ends a call because its lease has: stopped, what is in flight is cut soon; not renewed, it finishes.
func endCall(call *engine.Call, cause error) {
	if cause == lease.ErrExpired {
		call.Expire()
		return
	}
	call.Stop()
}

// carryOut carries the shard out, from its first grant to its final message. It is the execution's goroutine.
func (e *execution) carryOut() {
	defer e.worker.leaveLease(e)
	if !e.batcher.Await(e.begun, e.stopped) {
		e.leaveOut()
		e.finish(nil)
		return
	}
	call, release, err := e.prepare()
	if err != nil {
		e.worker.config.Log.Error("making the HTTP client", "run_id", e.job.key.run, "error", err)
		e.lease.Finish()
		e.leaveOut()
		e.finish(nil)
		return
	}
	defer release()
	e.worker.warn(e.job)
	e.batcher.Begin(call, e.job.work.Start)
	work := begin(e.job.work.Start)
	done := make(chan struct{})
	go func() {
		defer close(done)
		call.Run(e.worker.life)
	}()
	e.batcher.Run(done, call.Ending())
	e.lease.Finish() // what is granted from now on is none of what is left
	e.rest(call)
	e.finish(effort(work, call))
}

// prepare makes the call and gives it what the lease has said meanwhile.
func (e *execution) prepare() (*engine.Call, func(), error) {
	e.mu.Lock()
	e.job.work.Start = e.start
	e.mu.Unlock()
	call, release, err := e.worker.call(e.job, e.queue, e.lease.Held, e.trail)
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	e.call = call
	cause := e.cause
	if e.changed > 0 {
		call.SetConcurrency(e.changed) // under the lock: a change that comes now is later
	}
	e.mu.Unlock()
	if cause != nil {
		endCall(call, cause)
	}
	return call, release, nil
}

// rest accounts for the granted slots that no sender claimed.
func (e *execution) rest(call *engine.Call) {
	until := time.Now().Add(restBudget)
	from, to := call.ClaimLate()
	e.batcher.Late(e.job.work.Schedule, e.job.work.Slots, from, to, until)
	e.batcher.Rest(e.job.work.Schedule, e.job.work.Slots, call.NotSent(), until)
}

// leaveOut accounts for the granted slots of a shard that was over before it began.
func (e *execution) leaveOut() {
	e.mu.Lock()
	reason, start := outcome.NotSentLeaseLost, e.start
	if start.IsZero() {
		start = time.Now()
	}
	if e.cause == lease.ErrStopped {
		reason = outcome.NotSentCancelled
	}
	e.mu.Unlock()
	e.batcher.Begin(unclaimed{e.job.work.Slots}, start)
	e.batcher.Rest(e.job.work.Schedule, e.job.work.Slots, reason, time.Now().Add(restBudget))
}

// unclaimed is the progress of slots that nobody claims.
type unclaimed struct{ slots *lease.Slots }

// Position implements batch.Progress.
func (u unclaimed) Position() (granted, claimed int64) {
	if u.slots.Endless() {
		return schedule.Unbounded, 0
	}
	return u.slots.Granted(), 0
}

// finish makes the final message. Grants that come later are not known to it, and so never sent.
func (e *execution) finish(took *run.Effort) {
	e.lease.Finish()
	e.mu.Lock()
	reason := e.reasonLocked()
	e.mu.Unlock()
	if reason == fanoutv1.FinishReason_FINISH_REASON_BLOCKED {
		e.batcher.Blocked(e.trail.message())
	}
	final := e.batcher.Finish(took, reason, e.job.work.Slots.Granted())
	e.mu.Lock()
	e.final, e.finished = final, time.Now()
	e.mu.Unlock()
	close(e.over)
	e.trail.end(e.job.work.Plan, e.job.work.Slots.Granted(), e.batcher.Counts(), reason.String())
}

func (e *execution) reasonLocked() fanoutv1.FinishReason {
	switch {
	case e.call != nil && e.call.EndedBy(errclass.ErrBlocked):
		return fanoutv1.FinishReason_FINISH_REASON_BLOCKED
	case e.cause == lease.ErrStopped:
		return fanoutv1.FinishReason_FINISH_REASON_STOPPED
	case e.cause == lease.ErrExpired:
		return fanoutv1.FinishReason_FINISH_REASON_LEASE_EXPIRED
	case e.call != nil && e.call.EndedBy(errclass.ErrShutdown):
		return fanoutv1.FinishReason_FINISH_REASON_SHUTDOWN
	default:
		return fanoutv1.FinishReason_FINISH_REASON_COMPLETED
	}
}

// isOver reports whether the final message is there.
func (e *execution) isOver() bool {
	select {
	case <-e.over:
		return true
	default:
		return false
	}
}

// cameToNothing reports whether the shard is over, and was granted nothing.
func (e *execution) cameToNothing() bool { return e.isOver() && e.job.work.Slots.Granted() == 0 }

// cut ends what is still in flight: the worker shuts down.
func (e *execution) cut() {
	e.mu.Lock()
	call := e.call
	e.mu.Unlock()
	if call != nil {
		call.Cut()
	}
}
