// Package split divides a run over workers. It is pure: the shards' slots are exactly the run's, and their concurrency adds
// up to the plan's; the rate is never divided, since a slot's due time is the run's.
package split

import (
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Shard is what one worker runs.
type Shard struct {
	Grants      schedule.Grants
	Concurrency int64 // 0: the worker's cap
}

// Split divides a run of slots slots (schedule.Unbounded without end) over at most workers workers: min(workers, slots,
// concurrency) shards, of which shard k of n has the slots ≡ k (mod n). workers is at least 1.
func Split(p *plan.Plan, slots int64, workers int) []Shard {
	concurrency := Concurrency(p, slots)
	n := max(min(int64(workers), slots, concurrency), 1)
	shards := make([]Shard, n)
	for k := range n {
		grant := schedule.Grant{First: k, Stride: n}
		if slots != schedule.Unbounded {
			grant.Count = (slots - k + n - 1) / n
		}
		shards[k].Grants = schedule.Grants{grant}
		if concurrency != schedule.Unbounded {
			shards[k].Concurrency = share(concurrency, k, n)
		}
	}
	return shards
}

// Concurrency is the plan's concurrency: without a shape as many as slots, in an open loop without a bound Unbounded.
func Concurrency(p *plan.Plan, slots int64) int64 {
	switch load := p.Load; {
	case load.ClosedLoop != nil:
		return load.ClosedLoop.Concurrency
	case load.OpenLoop != nil && load.OpenLoop.MaxConcurrency > 0:
		return load.OpenLoop.MaxConcurrency
	case load.OpenLoop != nil:
		return schedule.Unbounded
	default:
		return slots
	}
}

// share is part k of total in n parts that differ by one at most.
func share(total, k, n int64) int64 {
	if k < total%n {
		return total/n + 1
	}
	return total / n
}
