package runs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

const (
	// stopTimeout is how long a worker has to answer StopFanOut.
	stopTimeout = time.Second
	// stopBound is how long a cancelled run waits for its workers' accounts: they have 2 s to finish. Who is silent then is
	// given up, and what it had in hand is unknown.
	stopBound = 3 * time.Second
)

// carryOut carries the run out, from its plan to its verdict. life is the coordinator's life; its end cuts everything.
func (r *Run) carryOut(life context.Context) {
	ctx, cut, start, err := r.openInTime(life)
	defer cut()
	if err == nil && !r.begin(start) {
		err = errCancelled
		r.abandon(cut, start)
	}
	if err != nil {
		for _, s := range r.placed() {
			s.giveUp(r.notStartedReason())
		}
		r.end(err)
		return
	}
	var stopper sync.WaitGroup
	stopper.Go(func() { r.stopWhenCancelled(ctx, cut) })
	r.join(r.lose)
	cut()
	stopper.Wait()
	r.closeWorkers()
	r.end(nil)
}

// openInTime opens the run, and where a worker was not ready in time once more with twice the lead, if it is certain that
// nothing has been sent: a busy machine needs no more than that. The context that it returns is that of the calls, which cut
// ends.
func (r *Run) openInTime(life context.Context) (ctx context.Context, cut context.CancelFunc, start time.Time, err error) {
	for attempt := range startAttempts {
		ctx, cut = context.WithCancel(life)
		start, err = r.open(ctx, attempt)
		if err == nil {
			return ctx, cut, start, nil
		}
		if certain := r.abandon(cut, start); !certain || !errors.Is(err, errLate) {
			break
		}
	}
	return ctx, cut, start, err
}

// abandon ends the calls of a run that does not start, and reports whether it is certain that none of them sends anything. A
// call that is cancelled before its start sends nothing, and what a connection carries arrives in order: so a worker that
// answers anything at all after the cancellation, and before the start, has heard of it in time. A shard whose worker does not
// is lost: nobody knows what it sends.
func (r *Run) abandon(cut context.CancelFunc, start time.Time) (certain bool) {
	cut()
	r.join(nil)
	ctx, cancel := context.WithDeadline(context.Background(), start)
	defer cancel()
	var (
		all  sync.WaitGroup
		lost atomic.Bool
	)
	for _, s := range r.placed() {
		if s.stream == nil {
			continue
		}
		all.Go(func() {
			if !s.worker.Answers(ctx, r.id, s.id) {
				lost.Store(true)
				s.lose("worker "+s.address+" was cancelled, and did not say in time that it sends nothing", 0)
			}
		})
	}
	all.Wait()
	r.closeWorkers()
	return !lost.Load()
}

func (r *Run) closeWorkers() {
	for _, s := range r.placed() {
		if s.worker != nil {
			s.worker.Close()
		}
	}
}

// begin moves the run to RUNNING, unless it was cancelled before.
func (r *Run) begin(start time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != run.Starting {
		return false
	}
	r.state, r.started = run.Running, start
	r.wakeLocked()
	return true
}

// join waits for all streams; each that ends before its time is given to broken as it ends, so that its slots are unknown at
// once while the others go on.
func (r *Run) join(broken func(*shard, error)) {
	var all sync.WaitGroup
	for _, s := range r.placed() {
		if s.stream == nil {
			continue
		}
		all.Go(func() {
			<-s.stream.Done()
			if err := s.stream.Err(); err != nil && broken != nil {
				broken(s, err)
			}
		})
	}
	all.Wait()
}

// lose notes that a shard's stream broke off.
func (r *Run) lose(s *shard, err error) {
	inFlight := int64(0)
	if r.slots.Slots() == schedule.Unbounded && time.Now().After(r.startTime()) {
		inFlight = s.work.Concurrency // each sender takes a slot as soon as the run starts
	}
	r.config.Log.Warn("lost a worker", "run_id", r.id, "worker", s.address, "error", err)
	s.lose("worker "+s.address+" was lost: "+err.Error(), inFlight)
}

// stopWhenCancelled stops the shards when somebody cancels the run, and cuts those whose account does not come. It ends with
// ctx.
func (r *Run) stopWhenCancelled(ctx context.Context, cut context.CancelFunc) {
	select {
	case <-ctx.Done():
		return
	case <-r.cancelled:
	}
	var all sync.WaitGroup
	for _, s := range r.placed() {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, stopTimeout)
			defer cancel()
			if err := s.worker.Stop(ctx, r.id, s.id); err != nil && ctx.Err() == nil {
				// It has finished already, or its stream tells what became of it.
				r.config.Log.Debug("stopping a shard", "run_id", r.id, "worker", s.address, "error", err)
			}
		})
	}
	defer all.Wait()
	bound := time.NewTimer(stopBound)
	defer bound.Stop()
	select {
	case <-ctx.Done():
	case <-bound.C:
		cut()
	}
}

func (r *Run) notStartedReason() outcome.Reason {
	if r.isCancelled() {
		return outcome.NotSentCancelled
	}
	return outcome.NotSentRunEnded
}

// end fixes the run as it will always be. notStarted is why it did not start, or nil.
func (r *Run) end(notStarted error) {
	r.mu.Lock()
	shards := r.shards
	final := r.headLocked()
	r.mu.Unlock()
	r.fill(final, shards, true)
	if c := &final.Tally.Counts; len(shards) == 0 && c.Pending > 0 {
		var t tally.Tally
		t.AddNotSent(r.notStartedReason(), c.Pending)
		t.Counts.Planned = c.Planned
		final.Tally = t.Snapshot(true)
	}
	final.State, final.Ended = run.Ended, time.Now()
	final.Verdict, final.Reason = judge(final, r.slots.Slots(), r.whyCancelled(), notStarted)
	final.LimitedBy, final.LimitedReason = limit(final)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state, r.final, r.shards = run.Ended, final, nil
	close(r.ended)
	r.wakeLocked()
}

func (r *Run) placed() []*shard {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shards
}

func (r *Run) startTime() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}
