package engine

import (
	"sort"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// heldBackFrom is from when on a slot that no sender was free to take counts as held back: less is how senders take turns.
const heldBackFrom = time.Millisecond

// heldBack counts the slots of an open loop that were due while the call could have no more senders.
type heldBack struct{ all, capped atomic.Int64 }

// holdBack counts n slots that are due and have no sender, if the call can have no more.
func (c *Call) holdBack(n int64) {
	if !c.full.Load() {
		return
	}
	c.heldBack.all.Add(n)
	if c.capped.Load() {
		c.heldBack.capped.Add(n)
	}
}

// holdBackRest counts those that were due when the call stopped and that nobody has claimed. The slots of grants are due in their
// order.
func (c *Call) holdBackRest() {
	from, granted := c.work.Slots.Claimed(), c.work.Slots.Granted()
	if c.work.Plan.Load.OpenLoop == nil || granted == schedule.Unbounded {
		return
	}
	stopped := c.clock()
	c.holdBack(int64(sort.Search(int(granted-from), func(k int) bool {
		return stopped-c.work.Schedule.Due(c.work.Slots.Slot(from+int64(k))) <= heldBackFrom
	})))
}

// HeldBack is how many slots of an open loop found no sender free when they were due, although the call could have no more, and
// how many of them because the worker could not. It is meant for the time after Run.
func (c *Call) HeldBack() (all, capped int64) {
	return c.heldBack.all.Load(), c.heldBack.capped.Load()
}
