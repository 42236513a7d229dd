package runs

import (
	"errors"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// errTooOld ends a run that was created, but never started, by a coordinator that died.
var errTooOld = errors.New("the coordinator was down when the run was to start; nothing was sent")

// resume makes the conductor of a run that an earlier life of the coordinator has left.
func (r *Registry) resume(stored *store.Run) (*conductor, error) {
	about, err := wire.DecodeNewRun(stored.About)
	if err != nil {
		return nil, err
	}
	about.Creator = stored.Creator
	kept := newRun(r.config, *about, stored.ID, stored.Number, stored.Created)
	kept.started, kept.next, kept.givenUp = stored.Started, stored.Next, stored.GivenUp
	c := newConductor(kept, stored.About, r.life, r.leave)
	if stored.Cancelled != "" {
		kept.cancelBecause(stored.Cancelled)
		c.stopped, c.stopSaved = true, true
		close(kept.stopKept)
	}
	if stored.Started.IsZero() { // nothing was granted
		if c.tooOld = time.Since(stored.Created) > resumeWithin; c.tooOld {
			return c, c.restore(stored)
		}
		return c, nil
	}
	c.resumed = true
	return c, c.restore(stored)
}

// attachAll attaches to every shard of which there is no final tally.
func (c *conductor) attachAll() {
	c.begun()
	for _, s := range c.shards {
		if s.hold.lease == "" {
			s.hold.released = true
			continue
		}
		worker, err := dispatch.Known(c.config.Dial, s.address)
		if err != nil {
			c.lost(s, err.Error())
			continue
		}
		s.setWorker(worker)
		if !s.hold.finished {
			c.attend(s, nil)
		}
	}
	for _, s := range c.shards {
		if s.failure != nil && s.failure.Class == run.Lost { // the life that lost it may not have seen to that
			c.lostOne()
			break
		}
	}
	for _, s := range c.shards {
		if s.blocked != "" {
			c.blocked(s, s.blocked)
		}
	}
	c.renewAll()
}

// catchUp grants as soon as every worker has answered: an earlier life has granted for one lease, part of which is over.
func (c *conductor) catchUp() {
	if !c.resumed || c.caughtUp || c.start.IsZero() {
		return
	}
	for _, s := range c.liveShards() {
		if !s.hold.asked {
			return
		}
	}
	c.caughtUp = true
	c.grant(time.Now())
	c.save()
}

// startAnew fixes a start if no worker has one: the coordinator died between the storing of the first grants and their sending. A worker
// that drains runs out what it was granted, and waits for a start too.
func (c *conductor) startAnew() {
	if !c.resumed || !c.start.IsZero() {
		return
	}
	waiting := false
	for _, s := range c.shards {
		h := &s.hold
		if !h.holds() {
			continue
		}
		if h.misses > 0 || !h.asked {
			return
		}
		waiting = true
	}
	if waiting {
		c.startAt(time.Now().Add(startLead))
	}
}
