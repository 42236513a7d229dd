// Package histogram is a distribution of durations with HdrHistogram's geometry: three significant digits from 1 µs to 1 h,
// so that histograms merge exactly and every HdrHistogram tool reads them. The counters come in pages that are made on first
// use: a dense histogram takes 184 KiB, one of a usual load a tenth of that, an empty one next to nothing.
package histogram

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// pageLen is the counters of a page. A load whose times spread over a factor of ten uses about 3,400 counters: 14 pages of 2
// KiB; smaller pages would make the directory the greater part of a narrow histogram.
const (
	pageBits = 8
	pageLen  = 1 << pageBits
	pages    = (countersLen + pageLen - 1) / pageLen
)

type page [pageLen]int64

// Histogram is a distribution of durations. The zero value is empty and ready. One goroutine at a time may use it.
type Histogram struct {
	stats Stats
	pages []*page // nil until the first value; then one entry for each page, nil while the page is empty
}

// Stats is the exact figures of a histogram, kept beside its counters. Min and Max of an empty one are 0.
type Stats struct {
	Count   int64
	Clamped int64         // values beyond 1 h, counted in the last counter
	Sum     time.Duration // saturates at 292 years
	Min     time.Duration
	Max     time.Duration
}

// Mean is the mean of the values, or 0.
func (s Stats) Mean() time.Duration {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / time.Duration(s.Count)
}

// Record adds a value. A negative one counts as 0; whole microseconds are counted, the fraction is dropped; one beyond 1 h is
// counted as 1 h and as clamped. Sum, Min and Max are exact to the nanosecond.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	value := int64(d / unit)
	if value > highest {
		value = highest
		h.stats.Clamped++
	}
	if h.stats.Count == 0 || d < h.stats.Min {
		h.stats.Min = d
	}
	h.stats.Max = max(h.stats.Max, d)
	h.stats.Sum = saturate(h.stats.Sum, d)
	h.stats.Count++
	index := indexOf(value)
	h.page(index >> pageBits)[index&(pageLen-1)]++
}

func (h *Histogram) page(i int) *page {
	if h.pages == nil {
		h.pages = make([]*page, pages)
	}
	if h.pages[i] == nil {
		h.pages[i] = new(page)
	}
	return h.pages[i]
}

// Merge adds all values of o, which stays as it is; nil adds nothing.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil || o.stats.Count == 0 {
		return
	}
	if h.stats.Count == 0 || o.stats.Min < h.stats.Min {
		h.stats.Min = o.stats.Min
	}
	h.stats.Max = max(h.stats.Max, o.stats.Max)
	h.stats.Sum = saturate(h.stats.Sum, o.stats.Sum)
	h.stats.Count += o.stats.Count
	h.stats.Clamped += o.stats.Clamped
	for i, from := range o.pages {
		if from == nil {
			continue
		}
		if h.pages == nil || h.pages[i] == nil {
			*h.page(i) = *from // memory that is written to before it is read costs one page fault, and not two
			continue
		}
		to := h.pages[i]
		for k, n := range from {
			to[k] += n
		}
	}
}

// Reset empties the histogram, which keeps its memory for the values that come.
func (h *Histogram) Reset() {
	h.stats = Stats{}
	for _, p := range h.pages {
		if p != nil {
			*p = page{}
		}
	}
}

func saturate(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Clone is a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram {
	c := new(Histogram)
	c.Merge(h)
	return c
}

// Stats is the exact figures.
func (h *Histogram) Stats() Stats { return h.stats }

// Count is the number of values.
func (h *Histogram) Count() int64 { return h.stats.Count }

// Quantile is the value below or at which the part q of all values lies: the greatest value that the counter stands for in
// which the cumulative count reaches q × Count, rounded up, as HdrHistogram has it, and within Min and Max. 0 when empty.
func (h *Histogram) Quantile(q float64) time.Duration { return h.Quantiles(q)[0] }

// Quantiles is Quantile for each q, in one go through the counters.
func (h *Histogram) Quantiles(qs ...float64) []time.Duration {
	values := make([]time.Duration, len(qs))
	if h.stats.Count == 0 {
		return values
	}
	type rank struct {
		of   int64
		into *time.Duration
	}
	ranks := make([]rank, len(qs))
	for i, q := range qs {
		ranks[i] = rank{h.rank(q), &values[i]}
	}
	slices.SortFunc(ranks, func(a, b rank) int { return cmp.Compare(a.of, b.of) })
	var seen int64
	for b := range h.Buckets() {
		for seen += b.Count; len(ranks) > 0 && ranks[0].of <= seen; ranks = ranks[1:] {
			*ranks[0].into = min(max(b.High-unit, h.stats.Min), h.stats.Max)
		}
	}
	return values
}

// rank is how many values lie at or below the quantile q, 1 at least.
func (h *Histogram) rank(q float64) int64 {
	switch {
	case !(q > 0): // NaN too
		return 1
	case q >= 1:
		return h.stats.Count
	default:
		return min(max(int64(math.Ceil(q*float64(h.stats.Count))), 1), h.stats.Count)
	}
}

// Bucket is one counter: how many values lie in Low ≤ value < High.
type Bucket struct {
	Low, High time.Duration
	Count     int64
}

// Buckets is the counters that are not 0, ascending.
func (h *Histogram) Buckets() iter.Seq[Bucket] {
	return func(yield func(Bucket) bool) {
		for i, p := range h.pages {
			if p == nil {
				continue
			}
			for k, n := range p {
				if n == 0 {
					continue
				}
				low, high := rangeOf(i<<pageBits + k)
				if !yield(Bucket{Low: time.Duration(low) * unit, High: time.Duration(high) * unit, Count: n}) {
					return
				}
			}
		}
	}
}
