package split

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// drawPlan draws a plan of any shape.
func drawPlan(t *rapid.T) *plan.Plan {
	p := &plan.Plan{}
	switch rapid.IntRange(0, 2).Draw(t, "shape") {
	case 1:
		p.Load.ClosedLoop = &plan.ClosedLoop{Concurrency: rapid.Int64Range(1, 60).Draw(t, "concurrency")}
	case 2:
		p.Load.OpenLoop = &plan.OpenLoop{MaxConcurrency: rapid.Int64Range(0, 60).Draw(t, "max_concurrency")}
	}
	return p
}

// A run has as many shards as there are workers, slots and concurrency for, and each has its part of the concurrency, which adds up.
func TestConcurrencyIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.Int64Range(1, 500).Draw(t, "slots")
		workers := rapid.IntRange(1, 40).Draw(t, "workers")
		p := drawPlan(t)
		if p.Load.ClosedLoop != nil && rapid.Bool().Draw(t, "without end") {
			slots = schedule.Unbounded
		}
		n, total := Shards(p, slots, workers), Concurrency(p, slots)
		if want := min(int64(workers), slots, total); int64(n) != want {
			t.Fatalf("Shards() = %d, want %d", n, want)
		}
		shares := Concurrencies(p, slots, n)
		if len(shares) != n {
			t.Fatalf("Concurrencies() = %v, want %d", shares, n)
		}
		var sum int64
		for k, share := range shares {
			if total != schedule.Unbounded && (share < 1 || share > shares[0] || share < shares[0]-1) {
				t.Fatalf("Concurrencies() = %v, want each at least 1 and none far from the others: shard %d", shares, k)
			}
			sum += share
		}
		if total == schedule.Unbounded && sum != 0 || total != schedule.Unbounded && sum != total {
			t.Fatalf("Concurrencies() = %v, want %d together, and 0 each without a bound", shares, total)
		}
	})
}

// A run without a worker has one shard, which nobody will take.
func TestShardsIsAtLeastOne(t *testing.T) {
	t.Parallel()
	if n := Shards(&plan.Plan{}, 9, 0); n != 1 {
		t.Errorf("Shards() without a worker = %d, want 1", n)
	}
}

// The parts add up to the whole, the greater ones come first, and no two differ by more than 1.
func TestShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, 1<<62)).Draw(t, "total")
		n := rapid.Int64Range(1, 300).Draw(t, "n")
		var sum int64
		for k := range n {
			share := Share(total, k, n)
			if share > Share(total, 0, n) || share < Share(total, 0, n)-1 || k > 0 && share > Share(total, k-1, n) {
				t.Fatalf("Share(%d, %d, %d) = %d, want it like the one before or 1 less", total, k, n, share)
			}
			sum += share
		}
		if sum != total {
			t.Fatalf("%d shares of %d come to %d", n, total, sum)
		}
	})
}
