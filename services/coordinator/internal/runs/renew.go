package runs

import (
	"context"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// renewTimeout is how long a renewal may take before it counts as unanswered: nothing is granted then. The answer of a worker that
	// has no core to spare is waited for longer, and counts when it comes.
	renewTimeout = time.Second
	// maxGrants is how many grants a worker takes in one renewal, and how many changes.
	maxGrants = 1000
	// redialAfter is after how many renewals without an answer the connection is given up.
	redialAfter = 2
)

// renewAll renews every lease whose last renewal is not outstanding, and lets go of those that are over.
func (c *conductor) renewAll() {
	for _, s := range c.shards {
		c.renew(s)
	}
}

// renew renews the shard's lease with what is stored. A lease that is lost is not renewed any more, but it is told to stop.
func (c *conductor) renew(s *shard) {
	h := &s.hold
	stop := c.stopped && c.stopSaved
	if h.renewing || h.released || s.worker == nil || h.lease == "" || h.lost && !stop && !h.finished || h.finished && !h.saved {
		return
	}
	r := &wire.Renewal{
		LeaseID: h.lease, Epoch: c.config.Store.Epoch(), GrantedBefore: h.known, AckedSecond: h.acked, Stop: stop, Release: h.finished,
	}
	if !h.finished && !h.lost {
		if !c.fillRenewal(s, r) {
			return
		}
	}
	h.renewing, h.renewed = true, time.Now()
	c.spawn(func() {
		ctx, cancel := context.WithTimeout(c.ctx, max(c.config.Lease/2, renewTimeout))
		defer cancel()
		sent := time.Now()
		position, err := s.worker.Renew(ctx, r)
		middle := sent.Add(time.Since(sent) / 2)
		c.post(func() { c.renewed(s, r, position, err, middle) })
	})
}

// fillRenewal adds what the worker does not know yet. It returns false if the start cannot be told yet.
func (c *conductor) fillRenewal(s *shard, r *wire.Renewal) bool {
	h := &s.hold
	r.Grants = h.since(h.known, maxGrants)
	told := h.known + r.Grants.Len()
	r.LastGrant = (c.allGranted() || h.draining) && len(h.deferred) == 0 && h.stored == h.granted && told == h.stored
	for n := h.changed; n < min(h.changes, h.changed+maxGrants); n++ {
		r.ChangesBefore = h.changed
		r.Changes = append(r.Changes, wire.LoadChange{Concurrency: h.concurrency})
	}
	if c.start.IsZero() {
		return true // a worker that has begun tells
	}
	begin, err := s.worker.Clock(c.start)
	if err != nil {
		return len(r.Grants) == 0
	}
	r.StartClock = max(begin, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin == 0 {
		s.begin = r.StartClock
	}
	r.StartClock = s.begin
	return true
}

// renewed takes the answer to a renewal, which the worker gave at about the given moment.
func (c *conductor) renewed(s *shard, r *wire.Renewal, p *wire.Position, err error, at time.Time) {
	h := &s.hold
	h.renewing = false
	if err != nil {
		c.missed(s, err)
		return
	}
	h.answered, h.asked, h.misses, h.lastAnswer = true, true, 0, time.Now()
	h.learn(p.Granted)
	h.claimed, h.changed = max(h.claimed, p.Claimed), max(h.changed, p.Changes)
	if r.Release {
		h.released = true
		return
	}
	h.draining = h.draining || p.State == wire.LeaseDraining
	if p.State == wire.LeaseEnded {
		h.closed = true // finished follows
	}
	if c.start.IsZero() && p.Started {
		c.startAt(at.Add(-p.Offset))
	}
	c.startAnew()
	c.catchUp()
	more := !h.closed && h.stored > r.GrantedBefore+r.Grants.Len() // stored meanwhile, or more than one message takes
	if more || c.stopped && c.stopSaved && !r.Stop {
		c.renew(s)
	}
}

// checkOverdue notes which renewals are not answered in time.
func (c *conductor) checkOverdue(now time.Time) {
	for _, s := range c.shards {
		if h := &s.hold; h.renewing && now.Sub(h.renewed) >= renewTimeout {
			c.unanswered(s, now)
		}
	}
}

// unanswered notes that a renewal is not answered in time. After two in a row the connection is given up, unless the stream on it still
// brings something: after a link was down the old one may wait for minutes, although the worker is there.
func (c *conductor) unanswered(s *shard, now time.Time) {
	h := &s.hold
	h.answered = false
	h.misses++
	if h.misses%redialAfter == 0 && s.silent(now) && c.ctx.Err() == nil {
		s.worker.Redial()
	}
}

// missed notes that a renewal failed.
func (c *conductor) missed(s *shard, err error) {
	h := &s.hold
	c.config.Log.Debug("a renewal was not answered", "run_id", c.id, "worker", s.address, "error", err)
	c.unanswered(s, time.Now())
	if h.finished && h.misses >= releaseAttempts {
		h.released = true // the worker forgets it by itself
	}
}

// releaseAttempts is how often a worker is told that it may forget a shard.
const releaseAttempts = 3

// attend keeps a stream attached to the shard's lease until it is finished, or the worker does not hold it.
func (c *conductor) attend(s *shard, stream *dispatch.Stream) {
	spec := c.spec(s)
	c.spawn(func() {
		backOff := minBackOff
		for {
			if stream == nil {
				stream = s.worker.Open(c.ctx, c.about.Plan, spec, s)
			}
			begun := time.Now()
			<-stream.Done()
			err := stream.Err()
			switch {
			case c.ctx.Err() != nil:
				return
			case err == nil:
				c.post(func() { c.finished(s) })
				return
			case isGone(err):
				c.post(func() { c.lost(s, err.Error()) })
				return
			}
			c.config.Log.Info("a shard's stream broke", "run_id", c.id, "worker", s.address, "error", err)
			if time.Since(begun) > maxBackOff {
				backOff = minBackOff
			}
			timer := time.NewTimer(backOff)
			select {
			case <-timer.C:
			case <-c.ctx.Done():
				timer.Stop()
				return
			}
			backOff = min(2*backOff, maxBackOff)
			stream = nil
		}
	})
}

// Back-off of a stream that broke.
const (
	minBackOff = 100 * time.Millisecond
	maxBackOff = time.Second
)
