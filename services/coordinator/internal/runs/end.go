package runs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// endBound is how long the store has to take a run's report.
const endBound = 5 * time.Second

// end fixes the run as it will always be, stores it, and shows it. notStarted is why it did not start, or nil.
func (c *conductor) end(notStarted error) {
	c.awaitSaved()
	for _, s := range c.shards {
		s.end()
	}
	change, _, err := c.collect(true)
	final := c.report(notStarted)
	if err == nil {
		err = c.keep(change, final)
	}
	if errors.Is(err, store.ErrFenced) { // the run has its end from whoever took over
		c.config.Fenced()
		c.letGo()
		return
	}
	c.kept = err == nil
	if !c.kept {
		c.config.Log.Error("storing a run's report", "run_id", c.id, "error", err)
		if final.Verdict == run.Passed || final.Verdict == run.Failed {
			final.Verdict, final.Reason = run.Incomplete, "the run has ended, but its report could not be stored: "+err.Error()
		}
	}
	c.audit(final)
	c.config.Ended(final.Verdict)
	c.mu.Lock()
	c.state, c.final = run.Ended, final
	close(c.Run.ended)
	c.wakeLocked()
	c.mu.Unlock()
	if c.kept {
		c.releaseAll()
	}
}

// report is the run at its end.
func (c *conductor) report(notStarted error) *run.Run {
	c.mu.Lock()
	final := c.headLocked()
	c.mu.Unlock()
	sum := c.fill(final, c.shards)
	ungranted := c.deferred
	if all := c.slots.Slots(); all != schedule.Unbounded {
		ungranted += all - c.next
	}
	sum.AddNotSent(c.unsent(notStarted), ungranted)
	sum.AddNotSent(outcome.NotSentWorkerLost, c.givenUp-c.deferred)
	sum.Counts.Planned += ungranted + c.givenUp - c.deferred
	final.Tally = sum.Snapshot(true)
	final.State, final.Ended = run.Ended, c.endTime()
	final.StartSpread = spread(final.Workers)
	final.Verdict, final.Reason = judge(final, c.whyCancelled(), c.failed, c.blockedBy, notStarted)
	final.LimitedBy, final.LimitedReason = limit(final)
	return final
}

// endTime is when the run ended. One that outlived a coordinator ended with the last second that has an outcome, and not when somebody
// came to look.
func (c *conductor) endTime() time.Time {
	now := time.Now()
	if last := c.started.Add(time.Duration(c.series.next) * time.Second); c.resumed && last.Before(now) {
		return last
	}
	return now
}

// keep stores the run's end.
func (c *conductor) keep(change store.Change, final *run.Run) (err error) {
	if change.Head.About, err = wire.EncodeNewRun(&c.about, false); err != nil {
		return err
	}
	change.Head.Ended = final.Ended
	if change.Head.Report, err = wire.EncodeRun(final); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), endBound)
	defer cancel()
	return c.config.Store.Commit(ctx, c.merged(change))
}

// releaseAll lets the workers forget the shards whose accounts are stored.
func (c *conductor) releaseAll() {
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range c.shards {
		h := &s.hold
		if !h.finished || h.released || s.worker == nil {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(c.life, renewTimeout)
			defer cancel()
			r := &wire.Renewal{LeaseID: h.lease, Epoch: c.config.Store.Epoch(), Release: true}
			_, _ = s.worker.Renew(ctx, r) // it forgets the shard by itself otherwise
		})
	}
}

// spread is the time between the first and the last worker's beginning; nil if fewer than two are known.
func spread(workers []run.WorkerResult) *time.Duration {
	var first, last time.Duration
	n := 0
	for _, w := range workers {
		if w.StartOffset == nil {
			continue
		}
		if n == 0 {
			first, last = *w.StartOffset, *w.StartOffset
		}
		first, last = min(first, *w.StartOffset), max(last, *w.StartOffset)
		n++
	}
	if n < 2 {
		return nil
	}
	width := last - first
	return &width
}
