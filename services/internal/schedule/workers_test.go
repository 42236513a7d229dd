package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// n workers, each with a schedule of its own and the slots ≡ k (mod n), are together exactly one worker: the same slots, due
// at the same times, with the same requests.
func TestWorkersTogetherAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawOpen(t)
		p.Requests = nil
		for range rapid.IntRange(1, 5).Draw(t, "requests") {
			p.Requests = append(p.Requests, plan.Request{Weight: rapid.IntRange(1, 30).Draw(t, "weight")})
		}
		one := New(p)
		n := rapid.Int64Range(1, 9).Draw(t, "workers")
		first := drawSlot(t, one)
		count := min(one.DueBefore(never)-first, 3000)
		seen := make(map[int64]bool)
		for k := range n {
			worker := New(p)
			grant := Grants{{First: k, Stride: n}}
			for ordinal := int64(0); ; ordinal++ {
				if ordinal == 0 {
					ordinal = max((first-k)/n-1, 0)
				}
				slot := grant.Slot(ordinal)
				if slot >= first+count {
					break
				}
				if slot < first {
					continue
				}
				if seen[slot] {
					t.Fatalf("slot %d is two workers'", slot)
				}
				seen[slot] = true
				if got, want := worker.Due(slot), one.Due(slot); got != want {
					t.Fatalf("worker %d of %d: Due(%d) = %d, want %d", k, n, slot, got, want)
				}
				if got, want := worker.Request(slot), one.Request(slot); got != want {
					t.Fatalf("worker %d of %d: Request(%d) = %d, want %d", k, n, slot, got, want)
				}
			}
		}
		if int64(len(seen)) != count {
			t.Fatalf("%d workers have %d slots of %d", n, len(seen), count)
		}
	})
}

// The mix of requests is exact in each block of slots, over all workers together, whatever the arrivals.
func TestMixIsExactOverAllWorkers(t *testing.T) {
	t.Parallel()
	p := staged(ramp(0, 1000, time.Minute))
	p.Load.OpenLoop.Poisson = &plan.Poisson{Seed: 4}
	p.Requests = []plan.Request{{Weight: 5}, {Weight: 1}, {Weight: 14}}
	const block, workers = 20, 7
	counts := make(map[int64][3]int)
	for k := range int64(workers) {
		worker := New(p)
		for slot := k; slot < 1000*block; slot += workers {
			c := counts[slot/block]
			c[worker.Request(slot)]++
			counts[slot/block] = c
		}
	}
	for b, c := range counts {
		if c != [3]int{5, 1, 14} {
			t.Errorf("block %d has %v of the requests, want 5, 1 and 14", b, c)
		}
	}
}

// Both ends of a run compute how many slots it has, each for itself.
func TestWorkersAgreeOnTheNumberOfSlots(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawOpen(t)
		p.Load.Requests = 0
		p.Load.Duration = time.Duration(rapid.Int64Range(1, int64(6*time.Hour)).Draw(t, "duration"))
		n := New(p).Slots()
		if again := DueInTime(p.Load); again != n {
			t.Fatalf("DueInTime = %d, and Slots = %d", again, n)
		}
		s := New(p)
		if n > 0 && s.Due(n-1) >= p.Load.Duration || s.Due(n) < p.Load.Duration {
			t.Fatalf("%d slots, but they are due at …, %d and %d", n, s.Due(max(n-1, 0)), s.Due(n))
		}
	})
}
