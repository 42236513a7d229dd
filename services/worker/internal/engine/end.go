package engine

import (
	"context"
	"time"

	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

const (
	// stopGrace is how long slots in flight get when a call is stopped: finished has to follow within 2 s.
	stopGrace = time.Second
	// drainGrace is how long slots in flight get when the worker shuts down: it has to be gone after 20 s, and the second
	// that is left brings the outcomes to the caller.
	drainGrace = 19 * time.Second
)

// Stop ends the call cleanly: no slot is claimed any more, and those in flight get 1 s, or the load's grace when that is
// shorter.
func (c *Call) Stop() { c.end(errclass.ErrCancelled, min(stopGrace, c.work.Plan.GraceDuration())) }

// Drain ends the call because the worker shuts down.
func (c *Call) Drain() { c.end(errclass.ErrShutdown, drainGrace) }

// Expire ends the claims because the lease was not renewed; what is in flight finishes.
func (c *Call) Expire() { c.stopClaiming(errclass.ErrLeaseLost) }

// Block ends the claims because the egress guard has refused too many of the call's requests; what is in flight finishes.
func (c *Call) Block() { c.stopClaiming(errclass.ErrBlocked) }

func (c *Call) stopClaiming(cause error) {
	c.stopClock()
	c.cancelClaim(cause)
}

// Cut ends the call at once because the worker shuts down.
func (c *Call) Cut() { c.end(errclass.ErrShutdown, 0) }

// EndedBy reports whether the cause is what ended the claims.
func (c *Call) EndedBy(cause error) bool { return context.Cause(c.claim) == cause }

// Why is one clause on why the call claims nothing any more. It is meant for the time after Run.
func (c *Call) Why() string {
	if cause := context.Cause(c.claim); cause != nil && cause != context.Canceled {
		return cause.Error()
	}
	return "all is done"
}

// CutAt ends the call at a moment, with all that is in flight: its caller's deadline is near.
func (c *Call) CutAt(at time.Time) {
	c.after(time.Until(at), func() { c.end(errclass.ErrRunDeadline, 0) })
}

// Ending is closed when no slot is claimed any more.
func (c *Call) Ending() <-chan struct{} { return c.claim.Done() }

// end stops claiming now, and sending after the grace.
func (c *Call) end(cause error, grace time.Duration) {
	c.stopClock()
	c.cancelClaim(cause)
	if grace <= 0 {
		c.cancelSend(cause)
		return
	}
	c.after(grace, func() { c.cancelSend(cause) })
}

// scheduleEnd sets the timers of the load's own end. A closed loop claims nothing after it. In an open loop, and without a
// shape, every slot of the plan was due before it, so those that still wait may be claimed within the grace.
func (c *Call) scheduleEnd() {
	load := c.work.Plan.Load
	length := load.End()
	if length == 0 {
		return
	}
	end := time.Until(c.work.Start) + length
	cut := end + c.work.Plan.GraceDuration()
	if load.ClosedLoop != nil {
		c.after(end, func() { c.cancelClaim(errclass.ErrRunDeadline) })
	}
	c.after(cut, func() { c.end(errclass.ErrRunDeadline, 0) })
}

// after calls f after d, unless the call is over by then. What is over already holds at once: a timer would let senders start.
func (c *Call) after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = append(c.timers, time.AfterFunc(d, f))
}
