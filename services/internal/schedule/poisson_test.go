package schedule

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// process is slots at one per second, in the mean: due times in seconds are points.
func process(seed int64) *Schedule {
	return New(&plan.Plan{Requests: []plan.Request{{Weight: 1}}, Load: plan.Load{
		Requests: math.MaxInt64, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: 1}}, Poisson: &plan.Poisson{Seed: seed}},
	}})
}

// The points are part of what a plan means: a worker of another version or on another machine has to find the same.
func TestPointsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		seed, slot int64
		want       time.Duration
	}{
		{1, 0, 4_713_044_643},
		{1, 1, 5_115_600_586},
		{1, 1_023, 1_003_248_932_421},
		{1, 1_024, 1_003_363_572_955},
		{1, 1_048_575, 1_047_432_574_446_917},
		{1, 1_048_576, 1_047_432_640_572_131},
		{1, 1_000_000_000, 1_000_018_976_944_652_544},
		{math.MinInt64, 0, 1_049_412_072},
		{math.MinInt64, 1, 1_551_036_417},
		{math.MinInt64, 1_023, 1_016_333_371_162},
		{math.MinInt64, 1_024, 1_016_369_980_752},
		{math.MinInt64, 1_048_575, 1_048_596_066_694_677},
		{math.MinInt64, 1_048_576, 1_048_598_462_920_070},
		{math.MinInt64, 1_000_000_000, 1_000_053_192_941_280_256},
	} {
		if got := process(tt.seed).Due(tt.slot); got != tt.want {
			t.Errorf("seed %d: Due(%d) = %d, want %d", tt.seed, tt.slot, got, tt.want)
		}
	}
}

// The number of points in a window has the variance of its mean, in windows of any length.
func TestDispersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		window  time.Duration
		windows int
		begin   time.Duration
	}{
		{"a point", time.Second, 20_000, 0},
		{"a point, after 10^9", time.Second, 5_000, 1e9 * time.Second},
		{"a tenth", time.Second / 10, 20_000, 0},
		{"a hundred points", 100 * time.Second, 20_000, 0},
		{"a block", 1024 * time.Second, 10_000, 0},
		{"ten blocks and a bit", 10_500 * time.Second, 5_000, 0},
		{"a segment", segmentSlots * time.Second, 500, 0},
		{"three and a half segments", segmentSlots * 7 / 2 * time.Second, 500, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, seed := range []int64{1, -7} {
				s := process(seed)
				first := s.DueBefore(tt.begin)
				before, squares := first, 0.0
				mean := tt.window.Seconds()
				for k := range tt.windows {
					upTo := s.DueBefore(tt.begin + time.Duration(k+1)*tt.window)
					squares += math.Pow(float64(upTo-before)-mean, 2)
					before = upTo
				}
				n := float64(tt.windows)
				// Five standard deviations of the index, whose variance is (2 + 1/mean)/n, and of the mean.
				index, bound := squares/n/mean, 5*math.Sqrt((2+1/mean)/n)
				if math.Abs(index-1) > bound {
					t.Errorf("seed %d: index of dispersion %.4f, want 1 ± %.4f", seed, index, bound)
				}
				if got, want := float64(before-first), mean*n; math.Abs(got-want) > 5*math.Sqrt(want) {
					t.Errorf("seed %d: %v points, want %v ± %.0f", seed, got, want, 5*math.Sqrt(want))
				}
			}
		})
	}
}

// Distances are exponential: within a block, from block to block, and from segment to segment.
func TestDistancesAreExponential(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		first, every int64
		n            int
	}{
		{"all", 1, 1, 50_000},
		{"from the first to the second of a block", 1, blockSlots, 10_000},
		{"to the last of a block", blockSlots - 1, blockSlots, 10_000},
		{"over the edge of a block", blockSlots, blockSlots, 10_000},
		{"over the edge of a segment", segmentSlots, segmentSlots, 1_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := process(42)
			distances := make([]float64, tt.n)
			for k := range distances {
				slot := tt.first + int64(k)*tt.every
				distances[k] = (s.Due(slot) - s.Due(slot-1)).Seconds()
			}
			if d := kolmogorov(distances, func(x float64) float64 { return 1 - math.Exp(-x) }); d > 1.95 { // 1 in 1,000
				t.Errorf("Kolmogorov's statistic is %.3f, want at most 1.95", d)
			}
		})
	}
}

// kolmogorov is √n times the greatest distance between the sample's distribution and the given one.
func kolmogorov(sample []float64, distribution func(float64) float64) float64 {
	slices.Sort(sample)
	n, greatest := float64(len(sample)), 0.0
	for i, x := range sample {
		f := distribution(x)
		greatest = max(greatest, f-float64(i)/n, float64(i+1)/n-f)
	}
	return math.Sqrt(n) * greatest
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	five, six, again := process(5), process(6), process(5)
	same := 0
	for slot := range int64(3000) {
		due := five.Due(slot)
		if due == six.Due(slot) {
			same++
		}
		if again := again.Due(slot); again != due {
			t.Fatalf("seed 5: Due(%d) = %d and %d", slot, due, again)
		}
	}
	if same > 1 {
		t.Errorf("seeds 5 and 6 have %d of 3000 points in common", same)
	}
}

// Points never go back, over whole blocks and over the edges of blocks and segments.
func TestPointsNeverGoBack(t *testing.T) {
	t.Parallel()
	for _, around := range []int64{0, blockSlots, segmentSlots, 1_000_000_000, 10_000_000_000, maxPoints} {
		s := process(3)
		last := time.Duration(0)
		for slot := max(around-3000, 0); slot < around+3000; slot++ {
			due := s.Due(slot)
			if due < last {
				t.Fatalf("Due(%d) = %d, after %d", slot, due, last)
			}
			if (due == never) != (slot >= maxPoints || due.Hours() > 24*365*200) {
				t.Fatalf("Due(%d) = %d", slot, due)
			}
			last = due
		}
	}
}

// Whoever asks, in whatever order and however many at once, is told the same.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	const slots = 3 * blockSlots
	starts := []int64{0, segmentSlots - blockSlots, 1_000_000_000}
	want := map[int64]time.Duration{}
	for _, start := range starts {
		alone := process(9)
		for slot := start + slots - 1; slot >= start; slot-- {
			want[slot] = alone.Due(slot)
		}
	}
	s := process(9)
	var senders sync.WaitGroup
	for sender := range uint64(8) {
		senders.Go(func() {
			r := rand.New(rand.NewPCG(sender, 0))
			for range 20_000 {
				slot := starts[r.IntN(len(starts))] + r.Int64N(slots)
				if got := s.Due(slot); got != want[slot] {
					t.Errorf("Due(%d) = %d, want %d", slot, got, want[slot])
					return
				}
			}
		})
	}
	senders.Wait()
}

// A block's points one by one are those that are made together.
func TestOneByOneAndTogether(t *testing.T) {
	t.Parallel()
	for key := range uint64(20) {
		for _, n := range []int{1, 2, 63, 64, 65, 1000, maxNumbers} {
			all := make([]uint64, n)
			sortedNumbers(key, root, all)
			for k := range all {
				if got := orderStatistic(key, k, n); got != all[k] || k > 0 && got < all[k-1] {
					t.Fatalf("key %d: number %d of %d is %d, want %d after %d", key, k, n, got, all[k], all[max(k-1, 0)])
				}
			}
		}
	}
}

// The numbers of a block are uniform: all together, and each order statistic in its own distribution, here by its mean.
func TestNumbersAreUniform(t *testing.T) {
	t.Parallel()
	const n, blocks = blockSlots - 1, 400
	var pooled []float64
	means := make([]float64, n)
	all := make([]uint64, n)
	for key := range uint64(blocks) {
		sortedNumbers(word(1, key), root, all)
		for k, x := range all {
			pooled = append(pooled, float64(x)*0x1p-64)
			means[k] += float64(x) * 0x1p-64 / blocks
		}
	}
	if d := kolmogorov(pooled, func(x float64) float64 { return x }); d > 1.95 {
		t.Errorf("Kolmogorov's statistic is %.3f, want at most 1.95", d)
	}
	for k, mean := range means {
		p := float64(k+1) / (n + 1)
		if bound := 5 * math.Sqrt(p*(1-p)/(n+2)/blocks); math.Abs(mean-p) > bound {
			t.Errorf("number %d of a block is %.5f in the mean, want %.5f ± %.5f", k, mean, p, bound)
		}
	}
}

func TestGamma(t *testing.T) {
	t.Parallel()
	for _, shape := range []float64{1, 3.5, blockSlots, segmentSlots} {
		r := random{key: splitMix(uint64(shape))}
		const n = 100_000
		mean, variance := 0.0, 0.0
		for range n {
			x := r.gamma(shape)
			mean += x / n
			variance += (x - shape) * (x - shape) / n
		}
		if math.Abs(mean-shape) > 5*math.Sqrt(shape/n) {
			t.Errorf("Gamma(%v): mean %v", shape, mean)
		}
		// A Gamma's fourth central moment is 3·shape² + 6·shape.
		if math.Abs(variance-shape) > 5*math.Sqrt((2*shape*shape+6*shape)/n) {
			t.Errorf("Gamma(%v): variance %v", shape, variance)
		}
	}
}

func TestLogarithm(t *testing.T) {
	t.Parallel()
	r := random{key: 1}
	for range 100_000 {
		x := math.Exp(100 * (r.unit() - 0.5))
		for _, x := range []float64{x, r.unit(), 1 + (r.unit()-0.5)*1e-3} {
			if got, want := logarithm(x), math.Log(x); math.Abs(got-want) > 1e-15*max(math.Abs(want), 1e-300) {
				t.Fatalf("logarithm(%v) = %v, want %v", x, got, want)
			}
		}
	}
}
