package worker

import (
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker/internal/admission"
	"github.com/fanout-load/fanout/services/worker/internal/batch"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
	"github.com/fanout-load/fanout/services/worker/internal/mark"
)

// execution is a leased shard: it is carried out by goroutines of its own, whoever listens. Its lease begins it, changes it and ends
// it; at the end there is the final message, which is kept until somebody has it. What carries the shard out is not: a plan may have
// 3 MiB, and an hour of shards be over.
type execution struct {
	worker  *Worker
	key     callKey
	need    admission.Need // that room was taken for
	term    time.Duration  // of the lease
	slots   int64          // of the run
	lease   *lease.Lease
	mark    *mark.Mark
	outlet  *batch.Outlet
	started *fanoutv1.FanOutStarted
	begun   chan struct{} // closed when the lease has a start and slots
	stopped chan struct{} // closed when no slot may be begun any more
	over    chan struct{} // closed when final is set

	mu          sync.Mutex
	start       time.Time          // guarded by mu, like what follows
	call        *engine.Call       // nil: it has not begun
	changed     int64              // the concurrency that a change asked for before the call was there; 0: none
	cause       error              // why no slot may be begun any more
	finished    time.Time          // when final was set
	final       []byte             // the final message, encoded
	acknowledge func(second int64) // nil: it is over
}

// newExecution makes the execution of a shard and its lease, which begins now, and what carries it out.
func newExecution(w *Worker, j *job, id string, m *mark.Mark, t *trail) *carrier {
	e := &execution{
		worker:  w,
		key:     j.key,
		need:    j.need,
		term:    j.shard.Lease,
		slots:   j.work.Schedule.Slots(),
		mark:    m,
		outlet:  batch.NewOutlet(),
		started: &fanoutv1.FanOutStarted{RunId: j.key.run, Caps: w.caps, LeaseId: id},
		begun:   make(chan struct{}),
		stopped: make(chan struct{}),
		over:    make(chan struct{}),
	}
	c := &carrier{execution: e, job: j, queue: batch.NewQueue(j.options(w.config, t)), trail: t}
	c.batcher = batch.NewLeased(c.queue, e.outlet, e.started)
	e.acknowledge = c.batcher.Acknowledge
	j.work.Slots = lease.Growing(m.Claimed(), m.Granted(), j.endless())
	e.lease = lease.New(id, j.shard.Epoch, e.term, j.work.Slots, lease.Effects{
		Begin: e.begin, Change: e.change, End: e.end,
	})
	return c
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
func (e *execution) cameToNothing() bool { return e.isOver() && e.lease.Position().Granted == 0 }

// heard notes that the figures of the seconds before the given one are kept elsewhere.
func (e *execution) heard(second int64) {
	e.mu.Lock()
	acknowledge := e.acknowledge
	e.mu.Unlock()
	if acknowledge != nil {
		acknowledge(second)
	}
}

// message is the final message. The shard is over.
func (e *execution) message() (*fanoutv1.FanOutResponse, error) {
	e.mu.Lock()
	encoded := e.final
	e.mu.Unlock()
	final := new(fanoutv1.FanOutResponse)
	return final, proto.Unmarshal(encoded, final)
}

// cut ends what is still in flight: the worker shuts down.
func (e *execution) cut() {
	e.mu.Lock()
	call := e.call
	e.mu.Unlock()
	if call != nil {
		call.Cut()
	}
}
