package runs

import (
	"context"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// isOver reports whether there is nothing more to wait for: all slots are granted or given up, and every shard is finished, or lost
// and silent.
func (c *conductor) isOver() bool {
	now := time.Now()
	if c.saving && !c.isStalled(now) {
		return false
	}
	cannotSave := !c.broken.IsZero() || c.saving // which has stalled
	for _, s := range c.shards {
		h := &s.hold
		if over := h.lost && s.silent(now) || h.finished && (h.saved || cannotSave); !over {
			return false
		}
	}
	return c.allGranted() || c.stopped || !c.mayJoin()
}

// loadEnded reports whether the load's own end has passed, after which no slot of a closed loop is claimed.
func (c *conductor) loadEnded() bool {
	end := c.about.Plan.Load.End()
	return c.about.Plan.Load.ClosedLoop != nil && end > 0 && !c.start.IsZero() && time.Since(c.start) >= end
}

// allGranted reports whether no slot will be granted any more.
func (c *conductor) allGranted() bool { return c.exhausted || c.loadEnded() }

// endless reports whether only time ends the run's slots.
func (c *conductor) endless() bool { return c.slots.Slots() == schedule.Unbounded }

// leaveAlone stores what is known and leaves the run to its workers' leases: another life of the coordinator goes on with it.
func (c *conductor) leaveAlone() {
	c.awaitSaved()
	change, _, err := c.collect(false)
	if err == nil {
		ctx, cancel := context.WithTimeout(c.life, leaveBound)
		defer cancel()
		err = c.config.Store.Commit(ctx, c.merged(change))
	}
	if err != nil {
		c.config.Log.Warn("leaving a run to its workers", "run_id", c.id, "error", err)
	}
	c.letGo()
}

// letGo notes that the run goes on without this process.
func (c *conductor) letGo() {
	c.kept = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.wakeLocked()
}

// leaveBound is how long a coordinator that ends has to store where its runs are.
const leaveBound = 2 * time.Second

func (c *conductor) closeWorkers() {
	for _, s := range c.shards {
		if s.worker != nil {
			s.worker.Close()
		}
	}
}
