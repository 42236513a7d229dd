package main

import (
	"math"
	"slices"
)

// spread is what the rounds of a figure come to.
type spread struct{ median, least, most float64 }

// spreadOf is the spread of values, of which there is at least one.
func spreadOf(values []float64) spread {
	return spread{median(values), slices.Min(values), slices.Max(values)}
}

// median is the middle value, of an even number of them the mean of the two in the middle. There is at least one.
func median[T ~int64 | ~float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// middleHalf is the bounds of the middle half of the values, of which there is at least one: the first and the third quartile.
func middleHalf(values []float64) (low, high float64) {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/4], sorted[len(sorted)-1-(len(sorted)-1)/4]
}

// medianWithin is bounds of the median of what the values are drawn from, and how sure they are: the closest ranks that are at least
// 95 % sure, whatever the distribution, and the least and the greatest value where there are too few for that.
func medianWithin(values []float64) (low, high, sure float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	// The median is below the value of rank k (from 0) if at most k of the n values are: so many of n coins show heads.
	ways, below, rank := 1.0, math.Exp2(-float64(n)), 0
	outside := 2 * below
	for k := 1; k < n/2; k++ {
		ways *= float64(n-k+1) / float64(k)
		if below += ways * math.Exp2(-float64(n)); 2*below > 0.05 {
			break
		}
		rank, outside = k, 2*below
	}
	return sorted[rank], sorted[n-1-rank], 1 - outside
}

// ratios is values over bases, each within its round: the machine's speed drifts from minute to minute, and falls out so.
func ratios[T ~int64 | ~float64](values, bases []T) []float64 {
	all := make([]float64, min(len(values), len(bases)))
	for i := range all {
		all[i] = float64(values[i]) / float64(bases[i])
	}
	return all
}

// slope is the slope of the line through points by least squares; ok is false where there is none.
func slope(xs, ys []float64) (perX float64, ok bool) {
	var meanX, meanY float64
	for i := range xs {
		meanX += xs[i] / float64(len(xs))
		meanY += ys[i] / float64(len(xs))
	}
	var product, square float64
	for i := range xs {
		product += (xs[i] - meanX) * (ys[i] - meanY)
		square += (xs[i] - meanX) * (xs[i] - meanX)
	}
	if square == 0 {
		return 0, false
	}
	return product / square, true
}

// pick is one figure of each of the samples.
func pick[S, T any](samples []S, of func(S) T) []T {
	all := make([]T, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	return all
}
