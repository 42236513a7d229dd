package worker

import (
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/worker/internal/batch"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
)

// carrier is what carries an execution out. It is its goroutine's, and gone with it.
type carrier struct {
	*execution
	job     *job
	queue   *batch.Queue
	batcher *batch.Leased
	trail   *trail
}

// carryOut carries the shard out, from its first grant to its final message. It is the execution's goroutine.
func (c *carrier) carryOut() {
	defer c.worker.leaveLease(c.execution)
	if !c.batcher.Await(c.begun, c.stopped) {
		c.leaveOut()
		c.finish(nil)
		return
	}
	call, release, err := c.prepare()
	if err != nil {
		c.worker.config.Log.Error("making the HTTP client", "run_id", c.key.run, "error", err)
		c.lease.Finish()
		c.leaveOut()
		c.finish(nil)
		return
	}
	defer release()
	c.worker.warn(c.job)
	c.batcher.Begin(call, c.job.work.Start)
	work := begin(c.job.work.Start)
	done := make(chan struct{})
	go func() {
		defer close(done)
		call.Run(c.worker.life)
	}()
	c.batcher.Run(done, call.Ending())
	c.lease.Finish() // what is granted from now on is none of what is left
	c.rest(call)
	c.finish(effort(work, call))
}

// prepare makes the call and gives it what the lease has said meanwhile.
func (c *carrier) prepare() (*engine.Call, func(), error) {
	c.mu.Lock()
	c.job.work.Start = c.start
	c.mu.Unlock()
	call, release, err := c.worker.call(c.job, c.queue, c.lease.Held, c.trail)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	c.call = call
	cause := c.cause
	if c.changed > 0 {
		call.SetConcurrency(c.changed) // under the lock: a change that comes now is later
	}
	c.mu.Unlock()
	if cause != nil {
		endCall(call, cause)
	}
	return call, release, nil
}

// rest accounts for the granted slots that no sender claimed.
func (c *carrier) rest(call *engine.Call) {
	until := time.Now().Add(restBudget)
	from, to := call.ClaimLate()
	c.batcher.Late(c.job.work.Schedule, c.job.work.Slots, from, to, until)
	c.batcher.Rest(c.job.work.Schedule, c.job.work.Slots, call.NotSent(), until)
}

// leaveOut accounts for the granted slots of a shard that was over before it began.
func (c *carrier) leaveOut() {
	c.mu.Lock()
	reason, start := outcome.NotSentLeaseLost, c.start
	if start.IsZero() {
		start = time.Now()
	}
	if c.cause == lease.ErrStopped {
		reason = outcome.NotSentCancelled
	}
	c.mu.Unlock()
	c.batcher.Begin(unclaimed{c.job.work.Slots}, start)
	c.batcher.Rest(c.job.work.Schedule, c.job.work.Slots, reason, time.Now().Add(restBudget))
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

// finish makes the final message. Grants that come later are not known to it, and so never sent. It is kept before it is sent: who has
// it may release the lease at once.
func (c *carrier) finish(took *run.Effort) {
	c.lease.Finish()
	c.mu.Lock()
	reason := c.reasonLocked()
	c.mu.Unlock()
	if reason == fanoutv1.FinishReason_FINISH_REASON_BLOCKED {
		c.batcher.Blocked(c.trail.message())
	}
	final := c.batcher.Final(took, reason, c.job.work.Slots.Granted())
	encoded, err := proto.Marshal(final)
	if err != nil { // every string in it was made valid
		c.worker.config.Log.Error("encoding a final message", "run_id", c.key.run, "error", err)
	}
	c.mu.Lock()
	c.final, c.finished = encoded, time.Now()
	c.call, c.acknowledge = nil, nil
	c.mu.Unlock()
	close(c.over)
	c.trail.end(c.job.work.Plan, c.job.work.Slots.Granted(), c.batcher.Total(), reason.String())
	c.batcher.End(final)
}
