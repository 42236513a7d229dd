package engine_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// patient is an open loop whose slots have patience.
func patient(rate float64, slots int64, patience time.Duration) plan.Load {
	load := openLoop(rate, slots, 0)
	load.OpenLoop.MaxLateness = patience
	return load
}

// A slot that finds no free sender within its patience is not sent. One that is exactly as late as it may be, is.
func TestPatience(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		patience time.Duration
		takes    time.Duration // of one sender, at a slot each 100 ms
		account  string
		late     []int64
	}{
		{"no slot waits", 1, 100 * ms, "10 responses", nil},
		{"all as late as they may be", 450 * ms, 150 * ms, "10 responses", nil},
		{"one nanosecond less", 450*ms - 1, 150 * ms, "1 not sent LATE, 9 responses", []int64{9}},
		{"every other slot waits for too long", 50 * ms, 200 * ms, "5 not sent LATE, 5 responses", []int64{1, 3, 5, 7, 9}},
		{"the target stalls", 50 * ms, 750 * ms, "8 not sent LATE, 2 responses", []int64{1, 2, 3, 4, 5, 6, 8, 9}},
		{"no limit", 0, 750 * ms, "10 responses", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{load: patient(10, 10, tt.patience), concurrency: 1, takes: each(tt.takes)}.stage()
				c.play(t.Context())
				c.check(t)
				if got := c.account(); got != tt.account {
					t.Errorf("account = %s, want %s", got, tt.account)
				}
				var late []int64
				for _, o := range c.bySlot() {
					if o.NotSent == outcome.NotSentLate {
						late = append(late, o.Slot)
					}
				}
				if !slices.Equal(late, tt.late) {
					t.Errorf("late slots = %v, want %v", late, tt.late)
				}
			})
		})
	}
}

// Slots that are given up make no senders: who gives one up is free again.
func TestLateSlotsMakeNoSenders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{load: patient(1000, 5000, 10*ms), concurrency: 500, takes: each(2 * time.Second)}.stage()
		c.scene.admit = func(admitted int64) bool { return admitted < 2 }
		c.play(t.Context())
		c.check(t)
		if c.made != 3 {
			t.Errorf("senders = %d, want 3", c.made)
		}
		if got, want := c.account(), "4991 not sent LATE, 9 responses"; got != want {
			t.Errorf("account = %s, want %s", got, want)
		}
	})
}

// What no sender could claim before the call stopped was not sent by whichever came first: the end of its patience, or the
// stop.
func TestLateWhenTheCallStops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		grace time.Duration
		stop  func(*call)
		at    time.Duration
		late  int64 // slots given up after the call
	}{
		{"stopped", time.Minute, func(c *call) { c.Stop() }, 2050 * ms, 14},
		{"drained, and the drain is no time of waiting", time.Minute, func(c *call) { c.Drain() }, 2050 * ms, 14},
		{"stopped before any patience is over", time.Minute, func(c *call) { c.Stop() }, 550 * ms, 0},
		{"the load's end and grace", 500 * ms, func(*call) {}, 0, 49}, // slots 1 … 49, due until 4.9 s, at 5.5 s
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				load := patient(10, 0, 590*ms)
				load.Duration, load.Grace = 5*time.Second, &tt.grace
				c := scene{load: load, concurrency: 1, takes: each(time.Hour)}.stage()
				if tt.at > 0 {
					time.AfterFunc(tt.at, func() { tt.stop(c) })
				}
				c.play(t.Context())
				c.check(t)
				from, to := c.ClaimLate()
				if from != 1 || to != from+tt.late {
					t.Errorf("ClaimLate() = %d, %d, want 1, %d", from, to, 1+tt.late)
				}
				if granted, claimed := c.Position(); claimed != to || granted != 50 {
					t.Errorf("Position() = %d granted, %d claimed, want 50, %d", granted, claimed, to)
				}
				if again, none := c.ClaimLate(); again != to || none != to {
					t.Errorf("ClaimLate() again = %d, %d, want %d twice", again, none, to)
				}
			})
		})
	}
}

// Whatever the load, its patience and its end: a slot is sent within its patience, or is not sent, LATE, after it; and every
// slot is accounted for.
func TestNoSlotIsSentAfterItsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			times := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 20).Draw(rt, "times")
			slots := rapid.Int64Range(1, 60).Draw(rt, "slots")
			patience := time.Duration(rapid.Int64Range(1, int64(time.Second)).Draw(rt, "patience"))
			load := patient(rapid.Float64Range(0.5, 500).Draw(rt, "rate"), slots, patience)
			if rapid.Bool().Draw(rt, "poisson") {
				load.OpenLoop.Poisson = &plan.Poisson{Seed: rapid.Int64().Draw(rt, "seed")}
			}
			c := scene{
				load: load, concurrency: rapid.Int64Range(1, 6).Draw(rt, "concurrency"),
				takes:  func(slot int64) time.Duration { return time.Duration(times[slot%int64(len(times))]) },
				grants: schedule.Grants{{First: 1, Stride: 3, Count: slots}}, delay: time.Second,
			}
			c.load.Requests = 1000
			call := c.stage()
			stop := time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(rt, "stop"))
			timer := time.AfterFunc(stop, call.Stop)
			defer timer.Stop()
			call.play(t.Context())
			call.check(rt)
			from, to := call.ClaimLate()
			for i := range call.delivered {
				if o := &call.delivered[i]; o.NotSent == outcome.Sent && o.Lateness > patience {
					rt.Errorf("slot %d was sent %v late, with a patience of %v", o.Slot, o.Lateness, patience)
				}
			}
			for ordinal := from; ordinal < slots; ordinal++ {
				due := call.schedule.Due(call.scene.grants.Slot(ordinal))
				if late := stop-c.delay-due > patience; late != (ordinal < to) {
					rt.Errorf("slot with ordinal %d, due at %v, was given up as late: %v, want %v", ordinal, due, ordinal < to, late)
				}
			}
		})
	})
}
