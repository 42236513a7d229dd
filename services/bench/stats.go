package main

import "slices"

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
