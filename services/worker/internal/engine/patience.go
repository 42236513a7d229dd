package engine

import (
	"sort"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Slots of an open loop have patience: one that is later than the load's max_lateness and still not sent is not sent any more.
// That takes no timer. Who claims a slot sees how late it is; what nobody could claim, because every sender was busy until the
// call stopped, is claimed after that.

// isLate reports whether the patience of a slot that was due then is over, or was when the call stopped.
func (c *Call) isLate(due time.Duration) bool {
	return c.patience > 0 && c.clock()-due > c.patience
}

// clock is the time since the run's start. It stands still from when the call stopped on.
func (c *Call) clock() time.Duration {
	return min(time.Since(c.work.Start), time.Duration(c.stopped.Load()))
}

// stopClock notes when the call stopped, the first time that it is called.
func (c *Call) stopClock() {
	c.stopped.CompareAndSwap(notStopped, int64(time.Since(c.work.Start)))
}

// notStopped is the value of Call.stopped until the call stops.
const notStopped = 1<<63 - 1

// ClaimLate claims, for whoever calls it, the slots that nobody has and whose patience was over when the call stopped: those
// with the ordinals from … to-1. It is meant for the time after Run. The slots of grants are due in their order.
func (c *Call) ClaimLate() (from, to int64) {
	from, granted := c.work.Slots.Claimed(), c.work.Slots.Granted()
	if c.patience == 0 || granted == schedule.Unbounded || from == granted {
		return from, from
	}
	to = from + int64(sort.Search(int(granted-from), func(k int) bool {
		return !c.isLate(c.work.Schedule.Due(c.work.Slots.Slot(from + int64(k))))
	}))
	c.work.Slots.ClaimUpTo(to)
	return from, to
}
