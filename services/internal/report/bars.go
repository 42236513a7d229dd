package report

import (
	"slices"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// maxBins is how many rows a bar chart has at most: few enough to be taken in at a glance.
const maxBins = 12

// maxBar is how many columns a bar has at most, and oneBar how many a value has: ten values are no wall of ink.
const (
	maxBar = 48
	oneBar = 4
)

// tailRatio decides between bins of one width and bins that grow: where the greatest value is more than so many medians,
// equal bins would heap most values in the first two.
const tailRatio = 5

// bin is the values of [low, high).
type bin struct {
	low, high time.Duration
	count     int64
}

// bars is a chart of a latency's distribution; none when it does not carry its buckets, or has one value only.
func bars(title string, l *tally.Latency, width int, p palette) []string {
	if len(l.Buckets) == 0 {
		return nil
	}
	h, err := l.Histogram()
	if err != nil {
		// A file or a message from elsewhere may carry anything. The figures beside it are still worth showing.
		return []string{p.bold(title), "  its histogram cannot be read: " + cut(clean(err.Error()), width-35)}
	}
	bins := spread(slices.Collect(h.Buckets()), l.P50)
	if bins == nil {
		return nil
	}
	var most int64
	labels, widest := make([]string, len(bins)), 0
	edge := edgeText(bins)
	for i, b := range bins {
		labels[i] = "  " + flushRight(edge(b.low)) + " – " + flushRight(edge(b.high))
		widest = max(widest, columns(labels[i]))
		most = max(most, b.count)
	}
	t := table{columns: []column{{}, {}, {left: true}}}
	room := min(width-widest-len("  ")-columns(Number(most))-len("  "), maxBar, oneBar*int(min(most, maxBar)))
	for i, b := range bins {
		t.add(labels[i], Number(b.count), bar(b.count, most, room))
	}
	return append([]string{p.bold(title)}, t.lines(width, p)...)
}

// edgeText is how edges are written: as latencies are, or where two of them would read the same, exactly.
func edgeText(bins []bin) func(time.Duration) string {
	for _, b := range bins {
		if latency(b.low) == latency(b.high) {
			return time.Duration.String // edges are whole microseconds, so these are short
		}
	}
	return latency
}

// flushRight sets a latency to the right of the column that nearly all latencies fit in.
func flushRight(s string) string {
	return strings.Repeat(" ", max(0, len("9.99 ms")-columns(s))) + s
}

// bar is count as a bar, of which most would be width columns long. It is drawn to an eighth of a column, and what is not 0
// is seen.
func bar(count, most int64, width int) string {
	if count <= 0 || width <= 0 {
		return ""
	}
	eighths := max(1, int(float64(count)/float64(most)*float64(width)*8+0.5))
	return strings.Repeat("█", eighths/8) + []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}[eighths%8]
}

// spread puts buckets, ascending, into bins whose edges are round numbers; nil when fewer than two buckets have values. A
// bucket goes where its low end is: it is at most a thousandth of its value wide.
func spread(buckets []histogram.Bucket, median time.Duration) []bin {
	buckets = slices.DeleteFunc(buckets, func(b histogram.Bucket) bool { return b.Count == 0 })
	if len(buckets) < 2 {
		return nil
	}
	low, high := buckets[0].Low, buckets[len(buckets)-1].Low
	edges := linearEdges(low, high)
	if high > tailRatio*median {
		edges = growingEdges(low, high)
	}
	bins := make([]bin, len(edges)-1)
	for i := range bins {
		bins[i] = bin{low: edges[i], high: edges[i+1]}
	}
	at := 0
	for _, b := range buckets {
		for b.Low >= bins[at].high {
			at++
		}
		bins[at].count += b.Count
	}
	return bins
}

// linearEdges are multiples of the least round step that makes do with maxBins, from the last one at or below low to the
// first one above high.
func linearEdges(low, high time.Duration) []time.Duration {
	step := time.Microsecond
	for i := 0; high/step-low/step+1 > maxBins; i++ {
		step = []time.Duration{1, 2, 5}[i%3] * power(time.Microsecond, i/3)
	}
	var edges []time.Duration
	for edge := low / step * step; ; edge += step {
		edges = append(edges, edge)
		if edge > high {
			return edges
		}
	}
}

// growingSeries are the leading digits of growing edges, in hundredths, finest first: ten (the preferred numbers of ISO 3),
// five, three and one in a decade, so that each step grows by about the same factor.
var growingSeries = [][]time.Duration{
	{100, 125, 160, 200, 250, 315, 400, 500, 630, 800},
	{100, 160, 250, 400, 630},
	{100, 200, 500},
	{100},
}

// growingEdges are edges of the finest series that makes do with maxBins, from the last one at or below low to the first
// one above high. A decade a bin always does: from 1 µs to 1 h there are ten.
func growingEdges(low, high time.Duration) []time.Duration {
	var edges []time.Duration
	for _, series := range growingSeries {
		edges = seriesEdges(series, low, high)
		if len(edges)-1 <= maxBins {
			break
		}
	}
	return edges
}

func seriesEdges(series []time.Duration, low, high time.Duration) []time.Duration {
	edges := []time.Duration{0}
	for i := 0; ; i++ {
		hundredth := power(10*time.Nanosecond, i/len(series))
		// No bin is finer than the histogram's microsecond.
		edge := (series[i%len(series)] * hundredth).Round(time.Microsecond)
		switch last := edges[len(edges)-1]; {
		case edge == last:
		case edge <= low:
			edges = []time.Duration{edge}
		default:
			edges = append(edges, edge)
		}
		if edge > high {
			return edges
		}
	}
}

// power is base × 10^exponent.
func power(base time.Duration, exponent int) time.Duration {
	for range exponent {
		base *= 10
	}
	return base
}
