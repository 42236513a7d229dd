package engine_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// A sender that panics has an outcome for its slot, and goes on with the next one; the other senders do not notice.
func TestPanickingSender(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		load plan.Load
	}{
		{"closed loop", closedLoop(30, 0)},
		{"open loop", openLoop(100, 30, 0)},
		{"all at once", plan.Load{Requests: 30}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				c := scene{
					load: tt.load, concurrency: 30, takes: each(20 * ms), sender: panicking, log: slog.New(slog.NewTextHandler(&log, nil)),
				}.stage()
				c.play(t.Context())
				c.check(t)
				if got, want := c.account(), "10 PANIC, 20 responses"; got != want {
					t.Errorf("account = %q, want %q", got, want)
				}
				for _, o := range c.bySlot() {
					if panicked := o.Slot%3 == 0; panicked != (o.Error == outcome.Panic) || panicked != (o.Message != "") || o.Service != 20*ms {
						t.Errorf("slot %d = %v, %q after %v, want PANIC: %v, after 20 ms", o.Slot, o.Error, o.Message, o.Service, panicked)
					}
					if strings.Contains(o.Message, "what it seemed") {
						t.Errorf("message of slot %d = %q, want it without the panic's value", o.Slot, o.Message)
					}
				}
				if n := strings.Count(log.String(), "what it seemed"); n != 10 {
					t.Errorf("the log has %d panics, want 10:\n%s", n, log.String())
				}
			})
		})
	}
}

// The wait for the delivery of an outcome is no part of the request.
func TestServiceEndsBeforeDelivery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		load plan.Load
	}{
		{"closed loop", closedLoop(2, 0)},
		{"open loop", openLoop(0.2, 2, 0)},
		{"all at once", plan.Load{Requests: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := scene{load: tt.load, concurrency: 1, takes: each(second), deliver: func(outcome.Outcome) { time.Sleep(3 * second) }}
				c := s.stage()
				c.play(t.Context())
				c.check(t)
				for i := range c.delivered {
					if o := &c.delivered[i]; o.Service != second {
						t.Errorf("slot %d took %v, want %v", o.Slot, o.Service, second)
					}
				}
			})
		})
	}
}

// While outcomes cannot be delivered no sender is free: an open loop measures the wait as lateness.
func TestDeliveryThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{
			load: openLoop(1, 3, 0), concurrency: 1, takes: each(second / 2), deliver: func(outcome.Outcome) { time.Sleep(second) },
		}.stage()
		c.play(t.Context())
		c.check(t)
		c.wantSent(t, []time.Duration{0, 1500 * ms, 3 * second})
	})
}

// Position grows with the slots that are claimed, and never passes the grants.
func TestPosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{load: closedLoop(5, 0), concurrency: 2, takes: each(second)}.stage()
		for at, want := range map[time.Duration]int64{second / 2: 2, 3 * second / 2: 4, 5 * second / 2: 5} {
			time.AfterFunc(at, func() {
				if granted, claimed := c.Position(); granted != 5 || claimed != want {
					t.Errorf("Position() = %d, %d after %v, want 5, %d", granted, claimed, at, want)
				}
			})
		}
		if granted, claimed := c.Position(); granted != 5 || claimed != 0 {
			t.Errorf("Position() = %d, %d before Run, want 5, 0", granted, claimed)
		}
		c.play(t.Context())
		c.check(t)
		if granted, claimed := c.Position(); granted != 5 || claimed != 5 {
			t.Errorf("Position() = %d, %d after Run, want 5, 5", granted, claimed)
		}
	})
}
