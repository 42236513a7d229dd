// Package arrivals measures whether a load generator's requests leave when they should, where it counts: at the target. It
// has a target that notes when each request came, and says how far off the ideal grid they were. The benchmarks call it.
package arrivals

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// window is the length of the pieces of time in which arrivals are counted for their dispersion.
const window = time.Millisecond

// Precision is how precisely a constant rate was kept.
type Precision struct {
	Count int
	// The distances of the arrivals, in their order, from a grid of one request per period. The grid's own offset is the
	// median's: a constant delay on the way to the target is no fault.
	OffP50, OffP99, OffMax time.Duration
	// Dispersion is the variance of the counts in windows of 1 ms over their mean: 0 is perfect, 1 is what a Poisson process
	// has, more comes in bursts.
	Dispersion float64
}

func (p Precision) String() string {
	return fmt.Sprintf("%d arrivals, off the grid by p50 %v, p99 %v, at most %v; dispersion %.2f",
		p.Count, p.OffP50.Round(time.Microsecond), p.OffP99.Round(time.Microsecond), p.OffMax.Round(time.Microsecond), p.Dispersion)
}

// Measure says how precisely arrivals, in any order, keep the rate, in requests per second.
func Measure(arrivals []time.Time, rate float64) Precision {
	if len(arrivals) == 0 {
		return Precision{}
	}
	sorted := slices.SortedFunc(slices.Values(arrivals), time.Time.Compare)
	off := make([]time.Duration, len(sorted))
	for i, at := range sorted {
		off[i] = at.Sub(sorted[0]) - grid(i, rate)
	}
	origin := sorted[0].Add(Quantile(off, 0.5))
	for i, at := range sorted {
		off[i] = at.Sub(origin.Add(grid(i, rate))).Abs()
	}
	return Precision{
		Count:      len(sorted),
		OffP50:     Quantile(off, 0.5),
		OffP99:     Quantile(off, 0.99),
		OffMax:     slices.Max(off),
		Dispersion: dispersion(sorted, origin.Add(-grid(1, rate)/2)),
	}
}

// grid is when the i-th request is due.
func grid(i int, rate float64) time.Duration {
	return time.Duration(float64(i) / rate * float64(time.Second))
}

// Quantile is the least value that a share q of the values do not exceed. There is at least one.
func Quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// dispersion counts arrivals in the whole windows from origin, which is half a period before the first point of the grid: a
// rate of whole requests per window, perfectly kept, has its arrivals away from the edges.
func dispersion(sorted []time.Time, origin time.Time) float64 {
	counts := make([]float64, sorted[len(sorted)-1].Sub(origin)/window)
	for _, at := range sorted {
		if i := int(at.Sub(origin) / window); !at.Before(origin) && i < len(counts) {
			counts[i]++
		}
	}
	if len(counts) == 0 {
		return 0
	}
	var mean, variance float64
	for _, n := range counts {
		mean += n / float64(len(counts))
	}
	for _, n := range counts {
		variance += (n - mean) * (n - mean) / float64(len(counts))
	}
	if mean == 0 {
		return 0
	}
	return variance / mean
}
