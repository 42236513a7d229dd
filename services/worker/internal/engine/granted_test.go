package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
)

// A lease that brings slots is renewed, so the senders of these tests are held by one.
func leased(grants schedule.Grants) (*lease.Slots, *lease.Lease) {
	slots := lease.Growing(new(atomic.Int64), new(atomic.Int64), false)
	l := lease.New("lease", 0, time.Hour, slots, lease.Effects{End: func(error) {}})
	_ = l.Renew(lease.Renewal{Grants: grants}) // the first of its kind, from 0 on
	return slots, l
}

// Senders wait for grants, and what they wait counts from the second second on.
func TestWaitForGrants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := schedule.Grants{{First: 0, Stride: 1, Count: 4}}
		slots, l := leased(first)
		defer l.Finish()
		c := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(100 * ms), grants: schedule.Whole(6), slots: slots}.stage()
		time.AfterFunc(3*second, func() {
			if err := l.Renew(lease.Renewal{GrantedBefore: 4, Grants: schedule.Grants{{First: 4, Stride: 1, Count: 2}}, LastGrant: true}); err != nil {
				t.Errorf("Renew() = %v, want no error", err)
			}
		})
		if took := c.play(t.Context()); took != 3100*ms {
			t.Errorf("Run took %v, want 3.1s", took)
		}
		c.check(t)
		if got := c.Waited(); got != 2*second {
			t.Errorf("Waited() = %v, want 2s: the first second does not count", got)
		}
		for _, o := range c.bySlot()[4:] {
			if o.Due+o.Lateness != 3*second {
				t.Errorf("slot %d was sent at %v, want 3s", o.Slot, o.Due+o.Lateness)
			}
		}
	})
}

// Whether a grant comes before, with or after the end of a call, each slot that counts as claimed has an outcome.
func TestGrantThatComesWithTheEnd(t *testing.T) {
	t.Parallel()
	for range 50 { // which of them the senders see first is chance
		synctest.Test(t, func(t *testing.T) {
			slots, l := leased(schedule.Grants{{First: 0, Stride: 1, Count: 2}})
			defer l.Finish()
			c := scene{load: closedLoop(100, 0), concurrency: 4, takes: each(100 * ms), grants: schedule.Whole(2), slots: slots}.stage()
			time.AfterFunc(second, func() {
				_ = l.Renew(lease.Renewal{GrantedBefore: 2, Grants: schedule.Grants{{First: 2, Stride: 1, Count: 3}}})
				c.Stop()
			})
			time.AfterFunc(second+50*ms, func() {
				_ = l.Renew(lease.Renewal{GrantedBefore: slots.Granted(), Grants: schedule.Grants{{First: slots.Granted(), Stride: 1, Count: 9}}})
			})
			c.play(t.Context())
			time.Sleep(second)
			c.scene.grants = schedule.Whole(slots.Granted())
			c.check(t)
			if c.NotSent() != outcome.NotSentCancelled {
				t.Errorf("NotSent() = %v, want CANCELLED", c.NotSent())
			}
		})
	}
}

// The end of a lease ends the claims; what is in flight finishes, unless it is stopped or cut too.
func TestExpire(t *testing.T) {
	t.Parallel()
	const leaseLost = outcome.NotSentLeaseLost
	quick := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(400 * ms)}
	stalled := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(time.Hour)}
	open := scene{load: openLoop(10, 100, 0), concurrency: 20, takes: each(180 * ms)}
	const at = 1550 * ms
	for _, tt := range []ending{
		{"Expire", quick, nil, at, func(c *call, _ context.CancelFunc) { c.Expire() }, 1600 * ms, "8 responses", 92, leaseLost},
		{"Expire while requests take long", stalled, nil, at, func(c *call, _ context.CancelFunc) { c.Expire() }, time.Hour, "2 responses", 98, leaseLost},
		{"Expire of an open loop", open, nil, at, func(c *call, _ context.CancelFunc) { c.Expire() }, 1680 * ms, "1 not sent LEASE_LOST, 16 responses", 83, leaseLost},
		{"Expire, then Stop", stalled, nil, at, func(c *call, _ context.CancelFunc) { c.Expire(); c.Stop() }, at + second, "2 CANCELLED", 98, leaseLost},
		{"Expire, then Cut", stalled, nil, at, func(c *call, _ context.CancelFunc) { c.Expire(); c.Cut() }, at, "2 SHUTDOWN", 98, leaseLost},
		{"Cut", stalled, nil, at, func(c *call, _ context.CancelFunc) { c.Cut() }, at, "2 SHUTDOWN", 98, leaseLost},
	} {
		t.Run(tt.name, tt.run)
	}
	c := quick.stage()
	c.Expire()
	c.Cut()
	if !c.EndedBy(errclass.ErrLeaseLost) || c.EndedBy(errclass.ErrShutdown) {
		t.Error("EndedBy() = another cause, want the first")
	}
}

// A slot that was claimed while the lease was held and comes to be sent after it is not sent.
func TestHeldBeforeEachSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := scene{load: openLoop(10, 10, 0), concurrency: 2, takes: each(20 * ms)}
		begun := time.Now()
		s.held = func() bool { return time.Since(begun) < 450*ms }
		c := s.stage()
		c.play(t.Context())
		c.check(t)
		if got, want := c.account(), "5 not sent LEASE_LOST, 5 responses"; got != want {
			t.Errorf("account = %q, want %q", got, want)
		}
	})
}
