package report

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func buckets(values ...time.Duration) []histogram.Bucket {
	var h histogram.Histogram
	for _, v := range values {
		h.Record(v)
	}
	return slices.Collect(h.Buckets())
}

func TestSpread(t *testing.T) {
	t.Parallel()
	const us, ms = time.Microsecond, time.Millisecond
	for _, tt := range []struct {
		name   string
		values []time.Duration
		median time.Duration
		want   []bin
	}{
		{"nothing", nil, 0, nil},
		{"one value", []time.Duration{ms, ms}, ms, nil},
		{"neighbours", []time.Duration{us, 2 * us, 2 * us}, 2 * us, []bin{{1 * us, 2 * us, 1}, {2 * us, 3 * us, 2}}},
		{
			"about the same: equal bins",
			[]time.Duration{101 * ms, 119 * ms, 121 * ms, 154 * ms},
			119 * ms,
			[]bin{
				{100 * ms, 105 * ms, 1},
				{105 * ms, 110 * ms, 0},
				{110 * ms, 115 * ms, 0},
				{115 * ms, 120 * ms, 1},
				{120 * ms, 125 * ms, 1},
				{125 * ms, 130 * ms, 0},
				{130 * ms, 135 * ms, 0},
				{135 * ms, 140 * ms, 0},
				{140 * ms, 145 * ms, 0},
				{145 * ms, 150 * ms, 0},
				{150 * ms, 155 * ms, 1},
			},
		},
		{
			"a tail: growing bins",
			[]time.Duration{90 * ms, 150 * ms, 999 * ms},
			150 * ms,
			[]bin{
				{80 * ms, 100 * ms, 1},
				{100 * ms, 125 * ms, 0},
				{125 * ms, 160 * ms, 1},
				{160 * ms, 200 * ms, 0},
				{200 * ms, 250 * ms, 0},
				{250 * ms, 315 * ms, 0},
				{315 * ms, 400 * ms, 0},
				{400 * ms, 500 * ms, 0},
				{500 * ms, 630 * ms, 0},
				{630 * ms, 800 * ms, 0},
				{800 * ms, 1000 * ms, 1},
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := spread(buckets(tt.values...), tt.median); !slices.Equal(got, tt.want) {
				t.Errorf("spread() = %v, want %v", got, tt.want)
			}
		})
	}
}

// Bins hold every value once, follow each other without a gap, begin and end where there are values, and are few.
func TestSpreadHoldsAll(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		var h histogram.Histogram
		highest := time.Duration(1) << (10 + random.IntN(33)) // 1 µs to more than an hour
		for range 2 + random.IntN(50) {
			h.Record(time.Duration(random.Int64N(int64(highest))) >> random.IntN(20))
		}
		bins := spread(slices.Collect(h.Buckets()), h.Quantile(0.5))
		if bins == nil {
			continue
		}
		var sum int64
		for i, b := range bins {
			sum += b.count
			if b.low >= b.high || i > 0 && b.low != bins[i-1].high {
				t.Fatalf("bin %d of %v does not follow the one before", i, bins)
			}
		}
		if want := h.Count(); sum != want {
			t.Fatalf("%v hold %d values, want %d", bins, sum, want)
		}
		if len(bins) > maxBins || bins[0].count == 0 || bins[len(bins)-1].count == 0 {
			t.Fatalf("%d bins, want at most %d, none empty at the ends: %v", len(bins), maxBins, bins)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		count, most int64
		width       int
		want        string
	}{
		{0, 10, 10, ""}, {10, 10, 4, "████"}, {5, 10, 4, "██"}, {1, 16, 8, "▌"}, {1, 1_000_000, 10, "▏"}, {3, 8, 1, "▍"}, {1, 1, 0, ""},
	} {
		if got := bar(tt.count, tt.most, tt.width); got != tt.want {
			t.Errorf("bar(%d, %d, %d) = %q, want %q", tt.count, tt.most, tt.width, got, tt.want)
		}
	}
}

func TestBarsWithoutBuckets(t *testing.T) {
	t.Parallel()
	if got := bars("x", &tally.Latency{Stats: histogram.Stats{Count: 5}}, 80, palette{}); got != nil {
		t.Errorf("bars() = %q, want none", got)
	}
	broken := &tally.Latency{Stats: histogram.Stats{Count: 5}, Buckets: []byte("\x1b[31m")}
	got := strings.Join(bars("x", broken, 80, palette{}), "\n") + "\n"
	if !strings.Contains(got, "cannot be read") {
		t.Errorf("bars() = %q, want it to say that it cannot be read", got)
	}
	checkShown(t, got, 80)
}
