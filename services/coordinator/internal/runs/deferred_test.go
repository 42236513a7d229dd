package runs

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// staying is a run whose split stays as it was, over so many workers, in one life of its coordinator.
func staying(t *testing.T, workers int) *conductor {
	t.Helper()
	p := &plan.Plan{
		Requests: []plan.Request{{Weight: 1}},
		Load:     plan.Load{Requests: 1_000_000, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: 10}}}},
	}
	c := newConductor(newRun(Config{}, run.NewRun{Plan: p, OnWorkerLoss: run.Continue}, "run", 1, time.Now()), nil, t.Context(), nil)
	for range workers {
		c.place("w:7070", 0, true)
	}
	return c
}

// slotsOf is the slots of a shard that wait until its worker answers.
func slotsOf(h *hold) (slots []int64) {
	for _, g := range h.deferred {
		for i := range g.Count {
			slots = append(slots, schedule.Grants{g}.Slot(i))
		}
	}
	return slots
}

// What a coordinator keeps with CONTINUE for workers that do not answer is kept by the one that goes on with the run; nothing else is.
func TestDeferredSlotsOutliveACoordinator(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		workers := rapid.IntRange(1, 5).Draw(rt, "workers")
		first, now := staying(t, workers), time.Now()
		for range rapid.IntRange(1, 8).Draw(rt, "windows") {
			for _, s := range first.shards {
				s.hold.answered = rapid.Bool().Draw(rt, "answers")
				s.hold.lost = s.hold.lost || rapid.IntRange(0, 9).Draw(rt, "lost") == 0
			}
			first.settleDeferred(now)
			first.grantWindow(now, first.next+rapid.Int64Range(0, 12).Draw(rt, "slots"))
		}
		second := staying(t, workers)
		second.next, second.givenUp = first.next, first.givenUp
		waiting := int64(0)
		for k, s := range second.shards {
			earlier := &first.shards[k].hold
			s.hold.unknown, s.hold.granted, s.hold.lost = slices.Clone(earlier.unknown), earlier.granted, earlier.lost
		}
		second.deferAgain()
		for k, s := range second.shards {
			var want []int64
			if s.hold.live() {
				want = slotsOf(&first.shards[k].hold)
				waiting += int64(len(want))
			}
			if got := slotsOf(&s.hold); !slices.Equal(got, want) {
				rt.Errorf("shard %d has %v deferred, want %v", k, got, want)
			}
			s.hold.answered = true
		}
		if second.deferred != waiting {
			rt.Errorf("%d slots are deferred, want %d", second.deferred, waiting)
		}
		second.settleDeferred(now)
		if second.deferred != 0 || second.givenUp != first.givenUp-waiting {
			rt.Errorf("when all answer %d slots are deferred and %d given up, want 0 and %d", second.deferred, second.givenUp, first.givenUp-waiting)
		}
	})
}
