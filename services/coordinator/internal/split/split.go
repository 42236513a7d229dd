// Package split divides a run over workers. It is pure: what is granted is exactly the run's slots, each once, and the concurrency
// adds up to the plan's; the rate is never divided, since a slot's due time is the run's.
package split

import (
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Shards is how many shards a run of slots slots (schedule.Unbounded without end) has over so many workers, at least 1: as many as
// there are workers, slots and concurrency for.
func Shards(p *plan.Plan, slots int64, workers int) int {
	return int(max(min(int64(workers), slots, Concurrency(p, slots)), 1))
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

// Concurrencies is how much of the plan's concurrency each of n shards has; 0 is the worker's cap.
func Concurrencies(p *plan.Plan, slots int64, n int) []int64 {
	shares := make([]int64, n)
	total := Concurrency(p, slots)
	if total == schedule.Unbounded {
		return shares
	}
	for k := range shares {
		shares[k] = Share(total, int64(k), int64(n))
	}
	return shares
}
