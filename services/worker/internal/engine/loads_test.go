package engine_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

func closedLoop(requests int64, duration time.Duration) plan.Load {
	return plan.Load{Requests: requests, Duration: duration, ClosedLoop: &plan.ClosedLoop{Concurrency: 1}}
}

func openLoop(rate float64, requests int64, duration time.Duration) plan.Load {
	return plan.Load{Requests: requests, Duration: duration, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: rate}}}}
}

// Every slot of every load is delivered exactly once, by as many senders as it takes, in the time that it takes.
func TestLoads(t *testing.T) {
	t.Parallel()
	const takes = 28 * ms // nothing else happens at the same moment
	for _, tt := range []struct {
		name  string
		scene scene
		slots int
		most  int64 // senders that were busy at once
		took  time.Duration
	}{
		{"closed loop", scene{load: closedLoop(100, 0), concurrency: 7}, 100, 7, 15 * takes},
		{"closed loop with fewer slots than senders", scene{load: closedLoop(3, 0), concurrency: 10}, 3, 3, takes},
		{"closed loop with a duration", scene{load: closedLoop(0, 100*ms), concurrency: 4}, 16, 4, 4 * takes},
		{"closed loop whose requests come first", scene{load: closedLoop(8, 100*ms), concurrency: 4}, 8, 4, 2 * takes},
		{"closed loop whose duration comes first", scene{load: closedLoop(80, 100*ms), concurrency: 4}, 16, 4, 4 * takes},
		{"one slot", scene{load: closedLoop(1, 0), concurrency: 1}, 1, 1, takes},
		{"all at once", scene{load: plan.Load{Requests: 50}, concurrency: 50}, 50, 50, takes},
		{"each request once", scene{requests: 5, concurrency: 5}, 5, 5, takes},
		{"all at once with fewer senders", scene{load: plan.Load{Requests: 10}, concurrency: 3}, 10, 3, 4 * takes},
		{"open loop with requests", scene{load: openLoop(100, 50, 0), concurrency: 20}, 50, 3, 490*ms + takes},
		{"open loop with a duration", scene{load: openLoop(100, 0, 495*ms), concurrency: 20}, 50, 3, 490*ms + takes},
		{"open loop with each request once", scene{load: openLoop(100, 0, 0), requests: 4, concurrency: 20}, 4, 3, 30*ms + takes},
		{"mix of requests", scene{load: closedLoop(60, 0), requests: 4, concurrency: 60}, 60, 60, takes},
		{
			"two grants of a shard",
			scene{
				load: closedLoop(500, 0), concurrency: 5,
				grants: schedule.Grants{{First: 1, Stride: 2, Count: 20}, {First: 101, Stride: 10, Count: 5}},
			},
			25, 5, 5 * takes,
		},
		{
			"a shard without end",
			scene{load: closedLoop(0, 100*ms), concurrency: 2, grants: schedule.Grants{{First: 2, Stride: 3}}},
			8, 2, 4 * takes,
		},
		{
			"every fourth slot of an open loop",
			scene{load: openLoop(100, 40, 0), concurrency: 2, grants: schedule.Grants{{First: 3, Stride: 4, Count: 10}}},
			10, 1, 390*ms + takes,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.scene.takes = each(takes)
				c := tt.scene.stage()
				took := c.play(t.Context())
				c.check(t)
				if len(c.delivered) != tt.slots || len(c.sent) != tt.slots {
					t.Errorf("slots = %d delivered, %d sent, want %d", len(c.delivered), len(c.sent), tt.slots)
				}
				if c.most != tt.most {
					t.Errorf("busy senders = %d, want %d", c.most, tt.most)
				}
				if took != tt.took {
					t.Errorf("Run took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// A slot of a closed loop is due when a sender is free for it, so it is never late; one of a load without a shape is due at
// the start.
func TestDueAndLateness(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		scene     scene
		due, late []time.Duration // by slot
	}{
		{
			name: "closed loop", scene: scene{load: closedLoop(3, 0), concurrency: 1},
			due: []time.Duration{0, second, 2 * second}, late: []time.Duration{0, 0, 0},
		},
		{
			name: "closed loop that comes too late", scene: scene{load: closedLoop(3, 0), concurrency: 1, delay: -5 * second},
			due: []time.Duration{0, 6 * second, 7 * second}, late: []time.Duration{5 * second, 0, 0},
		},
		{
			name: "all at once", scene: scene{load: plan.Load{Requests: 3}, concurrency: 3},
			due: []time.Duration{0, 0, 0}, late: []time.Duration{0, 0, 0},
		},
		{
			name: "all at once with one sender", scene: scene{load: plan.Load{Requests: 3}, concurrency: 1},
			due: []time.Duration{0, 0, 0}, late: []time.Duration{0, second, 2 * second},
		},
		{
			name: "open loop that comes too late", scene: scene{load: openLoop(1, 3, 0), concurrency: 3, delay: -5 * second},
			due: []time.Duration{0, second, 2 * second}, late: []time.Duration{5 * second, 4 * second, 3 * second},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tt.scene.takes = each(second)
				c := tt.scene.stage()
				c.play(t.Context())
				c.check(t)
				for slot, o := range c.bySlot() {
					if o.Due != tt.due[slot] || o.Lateness != tt.late[slot] || o.Service != second {
						t.Errorf("slot %d = due at %v, %v late, %v of service, want %v, %v, %v",
							slot, o.Due, o.Lateness, o.Service, tt.due[slot], tt.late[slot], second)
					}
				}
			})
		})
	}
}

// Whatever the load, the grants and the moment of its end: each claimed slot is delivered exactly once.
func TestClaimedSlotsAreDeliveredOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			c := drawScene(rt).stage()
			end := rapid.SampledFrom([]func(){c.Stop, c.Drain, func() { c.CutAt(time.Now()) }, func() {}}).Draw(rt, "end")
			timer := time.AfterFunc(drawTime(rt, "end at"), end)
			defer timer.Stop()
			c.play(t.Context())
			c.check(rt)
		})
	})
}

func drawTime(t *rapid.T, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, label))
}

func drawScene(t *rapid.T) scene {
	s := scene{
		requests:    rapid.IntRange(1, 5).Draw(t, "requests"),
		concurrency: rapid.Int64Range(1, 8).Draw(t, "concurrency"),
		timeout:     time.Second,
		delay:       drawTime(t, "delay") - time.Second/2,
	}
	slots := rapid.Int64Range(1, 60).Draw(t, "slots")
	times := rapid.SliceOfN(rapid.Int64Range(int64(10*time.Millisecond), int64(time.Second)), 1, 10).Draw(t, "times")
	s.takes = func(slot int64) time.Duration { return time.Duration(times[slot%int64(len(times))]) }
	switch rapid.SampledFrom([]string{"closed", "timed", "open", "at once"}).Draw(t, "load") {
	case "closed":
		s.load = closedLoop(slots, 0)
	case "timed":
		s.load = closedLoop(0, time.Millisecond+drawTime(t, "duration"))
	case "open":
		s.load = openLoop(rapid.Float64Range(1, 200).Draw(t, "rate"), slots, 0)
	default:
		s.load, s.concurrency = plan.Load{Requests: slots}, slots+rapid.Int64Range(0, 1).Draw(t, "spare sender")
	}
	if s.load.Requests == 0 {
		return s
	}
	// A shard of the run: one of two progressions, in two grants.
	first, cut := rapid.Int64Range(0, 1).Draw(t, "first"), rapid.Int64Range(1, slots).Draw(t, "cut")
	s.grants = schedule.Grants{{First: first, Stride: 2, Count: cut}, {First: first + 2*cut, Stride: 2, Count: slots - cut + 1}}
	return s
}
