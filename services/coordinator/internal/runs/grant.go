package runs

import (
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// grant grants what falls due within one lease to the workers that answer. What it decides is stored before it is sent.
func (c *conductor) grant(now time.Time) {
	if c.start.IsZero() || c.stopped || !c.broken.IsZero() {
		return
	}
	c.settleDeferred(now)
	if c.allGranted() {
		return
	}
	switch load := c.about.Plan.Load; {
	case load.ClosedLoop != nil:
		c.grantClosed(now)
	case load.OpenLoop != nil:
		c.grantWindow(now, min(c.slots.DueBefore(now.Sub(c.start)+c.config.Lease), c.slots.Slots()))
	default:
		c.grantWindow(now, c.slots.Slots())
	}
	c.lastGrant = now
	c.exhausted = c.next == c.slots.Slots()
}

// grantWindow grants the slots before the given one, by slot mod m.
func (c *conductor) grantWindow(now time.Time, to int64) {
	members := c.members(now)
	if len(members) == 0 || to <= c.next {
		return
	}
	givenUp := int64(0)
	for k, g := range split.Window(c.next, to, len(members)) {
		h := &members[k].hold
		switch {
		case g.Count == 0:
		case h.live() && h.answers(now):
			c.give(members[k], g)
		case h.live():
			c.deferSlots(members[k], g)
		default:
			givenUp += g.Count
		}
	}
	c.moveOn(to, givenUp)
}

// deferSlots keeps the part of a worker that does not answer, with CONTINUE: it is granted when it answers, and given up when it is
// lost. In the store it is given up until then; see deferAgain.
func (c *conductor) deferSlots(s *shard, g schedule.Grant) {
	s.hold.deferred = append(s.hold.deferred, g)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.givenUp += g.Count
	c.deferred += g.Count
}

// deferAgain keeps what an earlier life kept for workers that did not answer then: it is what each of them lacks of its part.
func (c *conductor) deferAgain() {
	if !c.splitStays() {
		return
	}
	members := c.members(c.since)
	for k, s := range members {
		from := int64(0)
		if n := len(s.hold.unknown); n > 0 {
			from = s.hold.unknown[n-1].Last() + 1
		}
		if g := split.Window(from, c.next, len(members))[k]; g.Count > 0 && s.hold.live() {
			s.hold.deferred = append(s.hold.deferred, g)
			c.deferred += g.Count
		}
	}
}

// settleDeferred grants what was kept for a worker that answers, or gives it up for one that takes nothing any more.
func (c *conductor) settleDeferred(now time.Time) {
	for _, s := range c.shards {
		h := &s.hold
		if len(h.deferred) == 0 || h.live() && !h.answers(now) {
			continue
		}
		for _, g := range h.deferred {
			c.mu.Lock()
			c.deferred -= g.Count
			if h.live() {
				c.givenUp -= g.Count
			}
			c.mu.Unlock()
			if h.live() {
				c.give(s, g)
			}
		}
		h.deferred = nil
	}
}

// members is the shards over which slots are split: those that answered their last renewal; with CONTINUE those of the run's start,
// of which one that is lost has its part given up.
func (c *conductor) members(now time.Time) (members []*shard) {
	stays := c.splitStays()
	for _, s := range c.shards {
		if stays && s.hold.original || s.hold.live() && s.hold.answers(now) {
			members = append(members, s)
		}
	}
	return members
}

// splitStays reports whether each slot is one shard's, whatever becomes of the others.
func (c *conductor) splitStays() bool {
	return c.about.OnWorkerLoss == run.Continue && c.about.Plan.Load.ClosedLoop == nil
}

// grantClosed grants each shard of a closed loop what it needs, in consecutive slots.
func (c *conductor) grantClosed(now time.Time) {
	members := c.members(now)
	needs := make([]split.Need, len(members))
	for k, s := range members {
		h := &s.hold
		s.mu.Lock()
		begun := max(s.account.Begun(), h.claimed)
		s.mu.Unlock()
		needs[k] = split.Need{Unclaimed: h.granted - begun, Concurrency: h.concurrency}
		if needs[k].Known = now.Sub(c.start) >= rateKnown; needs[k].Known {
			needs[k].Rate = h.rate.observe(now, c.start, begun)
		}
	}
	next := c.next
	for k, n := range split.Consecutive(needs, c.config.Lease.Seconds(), c.slots.Slots()-next) {
		if n > 0 {
			c.give(members[k], schedule.Grant{First: next, Stride: 1, Count: n})
			next += n
		}
	}
	c.moveOn(next, 0)
	for k, s := range members {
		h := &s.hold
		settled := h.granted - needs[k].Unclaimed
		s.refillAt.Store(settled + max((h.granted-settled)/2-h.concurrency, 1))
	}
}

// give grants slots to a shard.
func (c *conductor) give(s *shard, g schedule.Grant) {
	s.hold.grant(s.index, g)
	s.hold.dirty = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account.Grant(g.Count)
}

// moveOn notes up to where slots are granted or given up.
func (c *conductor) moveOn(next, givenUp int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = next
	c.givenUp += givenUp
}

// refill grants again because a shard of a closed loop has used half of what it had in hand, but not too often.
func (c *conductor) refill() {
	if c.waiting || c.exhausted {
		return
	}
	grant := func() {
		c.waiting = false
		c.grant(time.Now())
		c.save()
	}
	c.waiting = true
	if wait := refillPause - time.Since(c.lastGrant); wait > 0 {
		c.after(wait, grant)
		return
	}
	grant()
}

// unsent is why the slots that nobody was granted were not sent.
func (c *conductor) unsent(notStarted error) outcome.Reason {
	switch {
	case c.isCancelled(), c.failed != "":
		return outcome.NotSentCancelled
	case c.blockedBy != "":
		return outcome.NotSentPolicyBlocked
	case notStarted != nil, c.loadEnded(), !c.broken.IsZero():
		return outcome.NotSentRunEnded
	default:
		return outcome.NotSentWorkerLost
	}
}
