package engine

import (
	"runtime/debug"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// startSender starts a sender, which is free from the given offset from the run's start on; release, if not nil, is called at its
// end.
func (c *Call) startSender(free time.Duration, release func()) {
	c.senders.Go(func() {
		if release != nil {
			defer release()
		}
		sender := c.config.NewSender()
		defer sender.Close()
		var o outcome.Outcome
		for ; c.next(sender, &o, free) && !c.once && !c.leaves(); free = o.Due + o.Response() {
		}
	})
}

// next claims a slot and carries it through to its delivery; the sender has been free since the given offset from the run's
// start. What became of the slot is left in o. It returns false when there is none to claim.
func (c *Call) next(sender Sender, o *outcome.Outcome, free time.Duration) bool {
	if !c.claimSlot(o, free) {
		return false
	}
	if o.NotSent == outcome.Sent {
		o.NotSent = c.awaitDue(o)
	}
	if o.NotSent != outcome.Sent {
		c.config.Deliver(o)
		return true
	}
	o.Lateness = max(time.Since(c.work.Start)-o.Due, 0)
	if c.config.Held == nil || c.config.Held() {
		c.sendOne(sender, o)
	} else {
		o.Lateness, o.NotSent = 0, outcome.NotSentLeaseLost
	}
	c.config.Deliver(o)
	if c.work.Plan.Load.OpenLoop != nil {
		c.idle.Add(1)
	}
	return true
}

// claimSlot takes the next slot that was granted: one atomic add, which is all that senders share. If it waited for the grant until the
// call stopped claiming, the slot is not to be sent.
func (c *Call) claimSlot(o *outcome.Outcome, free time.Duration) bool {
	if c.claim.Err() != nil {
		return false
	}
	slot, waited, ok := c.work.Slots.Claim(c.claim.Done())
	if !ok {
		return false
	}
	*o = outcome.Outcome{Slot: slot, Request: int32(c.work.Schedule.Request(slot))}
	if c.work.Plan.Load.ClosedLoop != nil {
		o.Due = free
	} else {
		o.Due = c.work.Schedule.Due(slot)
	}
	if waited && c.claim.Err() != nil {
		o.NotSent = c.NotSent()
	}
	return true
}

// awaitDue waits until the slot of an open loop is due; any other slot is due when it is claimed. It returns why the slot is
// not to be sent, if it is not: its patience is over, or the call stopped claiming first.
func (c *Call) awaitDue(o *outcome.Outcome) outcome.Reason {
	if c.work.Plan.Load.OpenLoop == nil {
		return outcome.Sent
	}
	if overdue := time.Since(c.work.Start) - o.Due; overdue > heldBackFrom {
		c.holdBack(1)
	}
	c.waiting.Add(1)
	due := c.sleepUntil(c.work.Start.Add(o.Due))
	c.waiting.Add(-1)
	switch {
	case c.isLate(o.Due):
		return outcome.NotSentLate // and the sender is free again
	case !due:
		return c.NotSent()
	}
	// This sender is busy from now on: somebody has to wait for the next slot.
	if c.idle.Add(-1) == 0 {
		c.grow()
	}
	return outcome.Sent
}

// sleepUntil waits for a moment. It returns false when the call stops claiming first.
func (c *Call) sleepUntil(t time.Time) bool {
	return c.claim.Err() == nil && c.config.Sleep(t, c.claim.Done())
}

// sleep is a Config's Sleep with a timer.
func sleep(until time.Time, done <-chan struct{}) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// sendOne sends the slot's request. A panic is the slot's outcome: the process and the other slots go on.
func (c *Call) sendOne(sender Sender, o *outcome.Outcome) {
	defer func() {
		if p := recover(); p != nil {
			c.config.Log.Error("panic in a sender", "slot", o.Slot, "panic", p, "stack", string(debug.Stack()))
			o.Error, o.Message = outcome.Panic, "the worker's sender panicked; its log has the details"
			o.Service = max(time.Since(c.work.Start)-o.Due-o.Lateness, 0)
		}
	}()
	sender.Send(c.send, o)
}
