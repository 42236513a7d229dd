package engine_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// senderPool is when an open loop sends its slots: each at its due time or, when none of the senders is free then, as soon
// as one is.
func senderPool(c *call, senders, slots int64) []time.Duration {
	free := make([]time.Duration, senders)
	sent := make([]time.Duration, slots)
	for slot := range slots {
		first := slices.Index(free, slices.Min(free))
		sent[slot] = max(c.schedule.Due(slot), free[first])
		free[first] = sent[slot] + c.scene.takes(slot)
	}
	return sent
}

// wantSent checks when each slot was sent.
func (c *call) wantSent(t reporter, want []time.Duration) {
	t.Helper()
	if len(c.sent) != len(want) {
		t.Errorf("slots sent = %d, want %d", len(c.sent), len(want))
	}
	for slot, at := range want {
		if got := c.sent[int64(slot)]; got != at {
			t.Errorf("slot %d, due at %v, was sent at %v, want %v", slot, c.schedule.Due(int64(slot)), got, at)
		}
	}
}

// While a sender is free, every slot is sent at its due time to the nanosecond.
func TestSlotsAreSentWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		rate float64
	}{
		{"one in three seconds", 1.0 / 3},
		{"seven a second", 7},
		{"two thousand a second", 2000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{load: openLoop(tt.rate, 300, 0), concurrency: 1000, delay: time.Second, takes: each(123456789)}.stage()
				c.play(t.Context())
				c.check(t)
				want := make([]time.Duration, 300)
				for slot := range want {
					want[slot] = c.schedule.Due(int64(slot))
				}
				c.wantSent(t, want)
				for i := range c.delivered {
					if o := &c.delivered[i]; o.Lateness != 0 || o.Service != 123456789 {
						t.Errorf("slot %d = %v late, %v of service, want none late, %v", o.Slot, o.Lateness, o.Service, c.scene.takes(o.Slot))
					}
				}
			})
		})
	}
}

// With no sender free a slot waits for the first that is, and the wait is its lateness; none is skipped.
func TestLatenessOfABusyOpenLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{load: openLoop(10, 8, 0), concurrency: 2, takes: each(350 * ms)}.stage()
		took := c.play(t.Context())
		c.check(t)
		late := []time.Duration{0, 0, 150 * ms, 150 * ms, 300 * ms, 300 * ms, 450 * ms, 450 * ms}
		for slot, o := range c.bySlot() {
			if o.Lateness != late[slot] {
				t.Errorf("slot %d is %v late, want %v", slot, o.Lateness, late[slot])
			}
			if want := late[slot] + 350*ms; o.Response() != want {
				t.Errorf("Response() of slot %d = %v, want %v", slot, o.Response(), want)
			}
		}
		if want := 700*ms + 450*ms + 350*ms; took != want {
			t.Errorf("Run took %v, want %v", took, want)
		}
	})
}

// Whatever the times that requests take, an open loop sends as a pool of so many senders would, though it starts with one.
func TestOpenLoopIsAPoolOfSenders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			times := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 20).Draw(rt, "times")
			slots := rapid.Int64Range(1, 60).Draw(rt, "slots")
			room := rapid.Int64Range(0, 6).Draw(rt, "room")
			c := scene{
				load:        openLoop(rapid.Float64Range(0.5, 500).Draw(rt, "rate"), slots, 0),
				concurrency: rapid.Int64Range(1, 6).Draw(rt, "concurrency"),
				takes:       func(slot int64) time.Duration { return time.Duration(times[slot%int64(len(times))]) },
				admit:       func(admitted int64) bool { return admitted < room },
			}.stage()
			c.play(t.Context())
			c.check(rt)
			c.wantSent(rt, senderPool(c, min(c.scene.concurrency, 1+room), slots))
			if c.admitted > room {
				rt.Errorf("senders admitted = %d, want at most %d", c.admitted, room)
			}
		})
	})
}

// Senders come as they are needed: one that waits for the next slot beside those that are busy, and no more.
func TestSendersGrowOnDemand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		takes       time.Duration // at a slot each 100 ms
		slots       int64
		concurrency int64
		room        int64 // senders beside the first
		made        int64
		most        int64
	}{
		{"quick target", 20 * ms, 30, 100, 100, 2, 1},
		{"slow target", 450 * ms, 30, 100, 100, 6, 5},
		{"one slot needs one sender", 450 * ms, 1, 100, 100, 1, 1},
		{"as many slots as senders", 450 * ms, 4, 100, 100, 4, 4},
		{"bounded by the concurrency", 450 * ms, 30, 3, 100, 3, 3},
		{"bounded by the worker's room", 450 * ms, 30, 100, 2, 3, 3},
		{"no room beside the first", 450 * ms, 30, 100, 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{
					load: openLoop(10, tt.slots, 0), concurrency: tt.concurrency, takes: each(tt.takes),
					admit: func(admitted int64) bool { return admitted < tt.room },
				}.stage()
				c.play(t.Context())
				c.check(t)
				if c.made != tt.made || c.most != tt.most || c.admitted != tt.made-1 {
					t.Errorf("senders = %d made, %d busy at once, %d admitted, want %d, %d, %d",
						c.made, c.most, c.admitted, tt.made, tt.most, tt.made-1)
				}
			})
		})
	}
}

// A call that was refused a sender asks again, and catches up once it gets some.
func TestSendersGrowOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{load: openLoop(10, 60, 0), concurrency: 100, takes: each(450 * time.Millisecond)}.stage()
		c.scene.admit = func(int64) bool { return time.Since(c.start) > 2*time.Second }
		c.play(t.Context())
		c.check(t)
		if c.made < 5 {
			t.Errorf("senders = %d, want at least 5", c.made)
		}
		all := c.bySlot()
		if first, last := all[10].Lateness, all[59].Lateness; first == 0 || last != 0 {
			t.Errorf("lateness = %v of slot 10, %v of slot 59, want some and none", first, last)
		}
	})
}
