package runs

import (
	"errors"
	"fmt"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// isGone reports whether a stream's error says that the worker does not hold the lease, and never will again.
func isGone(err error) bool { return errors.Is(err, dispatch.ErrNoLease) }

// finished notes that the shard's stream brought its end: of a process that died it is a loss.
func (c *conductor) finished(s *shard) {
	h := &s.hold
	s.mu.Lock()
	died := s.effort == nil && s.failure != nil && s.failure.Class == run.Lost
	blocked := s.blocked
	s.mu.Unlock()
	if !c.stopped {
		s.blameStop()
	}
	wasLost := h.lost
	h.finished, h.dirty, h.closed = true, true, true
	if blocked != "" {
		c.blocked(s, blocked)
	}
	if died && !wasLost {
		c.config.Log.Warn("lost a worker", "run_id", c.id, "worker", s.address, "error", "its process died")
		c.lostOne()
	} else if !wasLost && !c.allGranted() && !c.stopped {
		c.finishedEarly(s)
	}
	c.save()
}

// blocked stops the run because the egress guard of a worker has refused too many of its requests: the other workers would only refuse
// them too, or send what somebody else must not.
func (c *conductor) blocked(s *shard, message string) {
	if c.stopped {
		return
	}
	c.blockedBy = "stopped after ten requests were refused by the egress guard of worker " + s.address + ": " + message
	c.config.Log.Warn("stopping a run", "run_id", c.id, "worker", s.address, "refused", message)
	c.stop()
}

// finishedEarly does what is to be done when a worker ends its shard although there are slots left: it shuts down, or its lease ended
// while the coordinator did not hear of it.
func (c *conductor) finishedEarly(s *shard) {
	s.mu.Lock()
	completed := s.completed
	s.mu.Unlock()
	switch {
	case c.about.OnWorkerLoss == run.Fail && !completed:
		c.lostOne()
	case c.about.OnWorkerLoss == run.Continue:
	case s.hold.draining:
		c.vacate()
	case !completed:
		c.rebalance()
	}
}

// checkLost gives up the workers that have not answered for as long as their lease.
func (c *conductor) checkLost(now time.Time) {
	for _, s := range c.shards {
		h := &s.hold
		last := h.lastAnswer
		if last.Before(c.since) {
			last = c.since
		}
		switch {
		case h.lost, h.finished, h.lease == "":
		case now.Sub(last) > c.config.Lease:
			c.lost(s, fmt.Sprintf("it did not answer for %v", c.config.Lease))
		case h.closed && now.Sub(c.since) > c.config.Lease && s.quiet(now) > c.config.Lease:
			c.lost(s, "its lease is over, and its account cannot be fetched")
		}
	}
}

// lost notes that a shard's worker is lost: it is granted nothing more on its lease, ever.
func (c *conductor) lost(s *shard, why string) {
	h := &s.hold
	if h.finished || h.lost {
		return
	}
	h.lost, h.dirty = true, true
	s.lose("worker " + s.address + " was lost: " + why)
	c.config.Log.Warn("lost a worker", "run_id", c.id, "worker", s.address, "error", why)
	c.lostOne()
	c.save()
}

// lostOne does what is to be done when a worker is lost.
func (c *conductor) lostOne() {
	switch {
	case c.stopped:
	case c.about.OnWorkerLoss == run.Fail:
		c.failed = "a worker was lost, and on_worker_loss is FAIL"
		c.stop()
	case c.about.OnWorkerLoss == run.Reassign:
		c.vacate()
	}
}

// vacate gives a worker's concurrency to the others, and looks for a worker to take its place.
func (c *conductor) vacate() {
	c.rebalance()
	c.giveUpAt = time.Now().Add(c.config.Lease)
	c.joinAfter = time.Time{}
	c.join(time.Now())
}

// rebalance divides the plan's concurrency over the shards that are live, where it is divided at all.
func (c *conductor) rebalance() {
	total := split.Concurrency(c.about.Plan, c.slots.Slots())
	if total == schedule.Unbounded || c.about.Plan.Load.AllAtOnce() {
		return
	}
	live := c.liveShards()
	for k, s := range live {
		share := max(split.Share(total, int64(k), int64(len(live))), 1)
		if h := &s.hold; h.concurrency != share {
			h.concurrency, h.dirty = share, true
			h.changes++
		}
	}
}

func (c *conductor) liveShards() (live []*shard) {
	for _, s := range c.shards {
		if s.hold.live() {
			live = append(live, s)
		}
	}
	return live
}
