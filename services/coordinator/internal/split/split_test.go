package split

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// The shards' slots are the run's, each once, and their concurrency adds up.
func TestSplitIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.Int64Range(1, 500).Draw(t, "slots")
		workers := rapid.IntRange(1, 40).Draw(t, "workers")
		p := &plan.Plan{}
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 1:
			p.Load.ClosedLoop = &plan.ClosedLoop{Concurrency: rapid.Int64Range(1, 60).Draw(t, "concurrency")}
		case 2:
			p.Load.OpenLoop = &plan.OpenLoop{MaxConcurrency: rapid.Int64Range(0, 60).Draw(t, "max_concurrency")}
		}
		shards := Split(p, slots, workers)
		concurrency := Concurrency(p, slots)
		if want := min(int64(workers), slots, concurrency); int64(len(shards)) != want {
			t.Fatalf("%d shards, want %d", len(shards), want)
		}
		seen := map[int64]int{}
		var sum int64
		for k, shard := range shards {
			for i := range shard.Grants.Len() {
				slot := shard.Grants.Slot(i)
				if slot%int64(len(shards)) != int64(k) {
					t.Fatalf("shard %d of %d has slot %d", k, len(shards), slot)
				}
				seen[slot]++
			}
			if concurrency != schedule.Unbounded && shard.Concurrency < 1 {
				t.Fatalf("shard %d has concurrency %d", k, shard.Concurrency)
			}
			sum += shard.Concurrency
		}
		for slot := range slots {
			if seen[slot] != 1 {
				t.Fatalf("slot %d is in %d shards", slot, seen[slot])
			}
		}
		if int64(len(seen)) != slots {
			t.Fatalf("%d slots, want %d", len(seen), slots)
		}
		if concurrency != schedule.Unbounded && sum != concurrency {
			t.Fatalf("concurrency adds up to %d, want %d", sum, concurrency)
		}
	})
}

func TestSplitOfARunWithoutEnd(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Load: plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 5}}}
	shards := Split(p, schedule.Unbounded, 2)
	if len(shards) != 2 || shards[0].Concurrency != 3 || shards[1].Concurrency != 2 {
		t.Fatalf("Split = %+v, want concurrency 3 and 2", shards)
	}
	for k, shard := range shards {
		if want := (schedule.Grant{First: int64(k), Stride: 2}); len(shard.Grants) != 1 || shard.Grants[0] != want {
			t.Errorf("shard %d has %+v, want %+v", k, shard.Grants, want)
		}
	}
}
