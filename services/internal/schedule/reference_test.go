package schedule

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// drawStages is up to six stages of at most four hours: constant ones, steps, ramps from, to and between rates, pauses. The
// last may have no duration.
func drawStages(t *rapid.T) []plan.Stage {
	rate := func(label string) float64 { return math.Pow(10, rapid.Float64Range(-3, 6).Draw(t, label)) }
	stages := make([]plan.Stage, rapid.IntRange(1, 6).Draw(t, "stages"))
	for i := range stages {
		s := &stages[i]
		s.Duration = time.Duration(math.Pow(10, rapid.Float64Range(0, 13.158).Draw(t, "duration")))
		var to float64
		switch rapid.SampledFrom([]string{"constant", "pause", "ramp from 0", "ramp to 0", "ramp"}).Draw(t, "kind") {
		case "constant":
			s.Rate = rate("rate")
			continue
		case "pause":
			continue
		case "ramp from 0":
			to = rate("end rate")
		case "ramp to 0":
			s.Rate = rate("rate")
		case "ramp":
			s.Rate, to = rate("rate"), rate("end rate")
		}
		s.EndRate = &to
	}
	if last := &stages[len(stages)-1]; last.EndRate == nil && last.Rate > 0 && rapid.Bool().Draw(t, "endless") {
		last.Duration = 0
	}
	return stages
}

func drawOpen(t *rapid.T) *plan.Plan {
	load := plan.Load{Requests: math.MaxInt64, OpenLoop: &plan.OpenLoop{Stages: drawStages(t)}}
	if rapid.Bool().Draw(t, "poisson") {
		load.OpenLoop.Poisson = &plan.Poisson{Seed: rapid.Int64().Draw(t, "seed")}
	}
	return &plan.Plan{Requests: []plan.Request{{Weight: 1}}, Load: load}
}

// exactIntegral is the integral of the rate from 0 to an offset in nanoseconds, in rational numbers.
func exactIntegral(stages []plan.Stage, offset *big.Rat) *big.Rat {
	sum, start := new(big.Rat), new(big.Rat)
	for _, s := range stages {
		t := new(big.Rat).Sub(offset, start)
		if t.Sign() <= 0 {
			break
		}
		length := new(big.Rat).SetInt64(int64(s.Duration))
		if s.Duration > 0 && t.Cmp(length) > 0 {
			t.Set(length)
		}
		begin := new(big.Rat).SetFloat64(s.Rate)
		height := new(big.Rat).Add(begin, begin)
		if s.EndRate != nil { // begin + (begin + (end-begin)·t/length)
			change := new(big.Rat).Sub(new(big.Rat).SetFloat64(*s.EndRate), begin)
			height.Add(height, change.Mul(change, new(big.Rat).Quo(t, length)))
		}
		area := height.Mul(height, t)
		sum.Add(sum, area.Quo(area, big.NewRat(2e9, 1)))
		start.Add(start, length)
	}
	return sum
}

// checkExact holds the due time of slot i against the exact integral: it is reached half a nanosecond and a rounding around
// the due time.
func checkExact(t rapid.TB, stages []plan.Stage, i int64, due time.Duration) {
	t.Helper()
	slack := new(big.Rat) // in slots
	start, fastest := time.Duration(0), 0.0
	for _, s := range stages {
		fastest = max(fastest, s.Rate, s.RateAtEnd())
		if start += s.Duration; due == start { // what is due where a stage ends, to the nanosecond, is due after the pause
			slack.SetFloat64(fastest * 0.6e-9)
		}
	}
	slot := new(big.Rat).SetInt64(i)
	at := new(big.Rat).SetInt64(int64(due))
	near := big.NewRat(6, 10)
	before := exactIntegral(stages, new(big.Rat).Sub(at, near))
	after := exactIntegral(stages, new(big.Rat).Add(at, near))
	if before.Cmp(new(big.Rat).Add(slot, slack)) > 0 || after.Cmp(slot) < 0 {
		t.Fatalf("Due(%d) = %d ns, where the integral goes from %s to %s", i, due, before.FloatString(9), after.FloatString(9))
	}
}

// drawSlot is a slot that is due within two days, if there is one: no load is longer.
func drawSlot(t *rapid.T, s *Schedule) int64 {
	n := min(s.DueBefore(48*time.Hour), 10_000_000_000)
	if n == 0 {
		t.Skip("no slot")
	}
	return rapid.OneOf(rapid.Int64Range(0, n-1), rapid.Int64Range(0, min(n-1, 100)), rapid.Int64Range(max(n-100, 0), n-1)).Draw(t, "slot")
}

func TestDueIsWhereTheIntegralReachesTheSlot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		stages := drawStages(t)
		s := New(&plan.Plan{Load: plan.Load{Requests: math.MaxInt64, OpenLoop: &plan.OpenLoop{Stages: stages}}})
		for range 10 {
			i := drawSlot(t, s)
			checkExact(t, stages, i, s.Due(i))
		}
	})
}

// Against numerical integration, which knows nothing of stages but the rate at a time.
func TestDueBeforeIsTheIntegralOfTheRate(t *testing.T) {
	t.Parallel()
	const second = 1e9
	for _, tt := range []struct {
		name   string
		stages []plan.Stage
		rate   func(second float64) float64
	}{
		{"constant", []plan.Stage{{Rate: 37.5, Duration: 20 * time.Second}}, func(float64) float64 { return 37.5 }},
		{
			"a ramp up from 0, a step down, a pause, a ramp down to 0",
			[]plan.Stage{ramp(0, 500, 5*time.Second), {Rate: 90, Duration: 4 * time.Second}, {Duration: 6 * time.Second}, ramp(300, 0, 5*time.Second)},
			func(s float64) float64 {
				switch {
				case s < 5:
					return 100 * s
				case s < 9:
					return 90
				case s < 15:
					return 0
				default:
					return 60 * (20 - s)
				}
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(&plan.Plan{Load: plan.Load{Requests: math.MaxInt64, OpenLoop: &plan.OpenLoop{Stages: tt.stages}}})
			const step = 1e-4
			sum := 0.0
			for k := range int(20 / step) {
				from := float64(k) * step
				sum += tt.rate(from+step/2) * step
				offset := time.Duration(math.Round((from + step) * second))
				// n slots are due before, slot n is not: n-1 < sum ≤ n.
				if n := float64(s.DueBefore(offset)); n < sum-1e-6 || n > sum+1+1e-6 {
					t.Fatalf("DueBefore(%v) = %v, and the integral is %v", offset, n, sum)
				}
			}
		})
	}
}

// Due never goes back, and DueBefore is its exact inverse: Due(i) < t if and only if i < DueBefore(t).
func TestDueAndDueBeforeAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := New(drawOpen(t))
		i := drawSlot(t, s)
		due := s.Due(i)
		for j := i + 1; j < i+20; j++ {
			before := s.Due(j - 1)
			if at := s.Due(j); at < before {
				t.Fatalf("Due(%d) = %d, and Due(%d) = %d", j-1, before, j, at)
			}
		}
		far := time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "time"))
		for _, at := range []time.Duration{due - 1, due, due + 1, far, never} {
			n := s.DueBefore(at)
			for _, j := range []int64{i, n - 2, n - 1, n, n + 1} {
				if j >= 0 && (s.Due(j) < at) != (j < n) {
					t.Fatalf("Due(%d) = %d, and DueBefore(%d) = %d", j, s.Due(j), at, n)
				}
			}
		}
	})
}

// A formula with many roundings might go back where points lie closer than they reach: far out, on a ramp.
func TestCrowdedPointsNeverGoBack(t *testing.T) {
	t.Parallel()
	for _, stage := range []plan.Stage{ramp(1, 1e6, 24*time.Hour), ramp(1e6, 1, 24*time.Hour), ramp(0, 1e6, 24*time.Hour), ramp(1e6, 0, 24*time.Hour)} {
		line := newTimeline(plan.Load{OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{stage}}})
		for _, whole := range []int64{1, 1_000_000, 1e10, 4.3e10} {
			last := time.Duration(0)
			for k := range 20_000 {
				due := line.due(point{whole: whole, fraction: float64(k) * 1e-8})
				if due < last {
					t.Fatalf("%+v: point %d + %d·1e-8 is due at %d, after %d", stage, whole, k, due, last)
				}
				last = due
			}
		}
	}
}

// A thousand million slots and more: due times do not accumulate error over slots, nor over stages.
func TestDueDoesNotDrift(t *testing.T) {
	t.Parallel()
	saw := make([]plan.Stage, 0, 1000)
	for i := range 500 {
		saw = append(saw, ramp(0.1, 133_333.3, time.Minute+time.Duration(i)), ramp(777.7, float64(i), 1234567890))
	}
	slowAtLast := []plan.Stage{{Rate: 999_983, Duration: 10_000 * time.Second}, {Rate: 0.001, Duration: 3 * time.Hour}}
	for _, tt := range []struct {
		name   string
		stages []plan.Stage
		slots  []int64
	}{
		{"1 a second", []plan.Stage{{Rate: 1}}, []int64{1, 86_400}},
		{"3 a second", []plan.Stage{{Rate: 3}}, []int64{1, 2, 1_000_003, 3*86_400 - 1}},
		{"997 a second", []plan.Stage{{Rate: 997}}, []int64{1, 997*86_400 - 1, 997 * 86_400}},
		{"999,983 a second", []plan.Stage{{Rate: 999_983}}, []int64{1, 1_000_000_000, 9_999_999_999}},
		{"a long ramp", []plan.Stage{ramp(0, 1e6, 6*time.Hour)}, []int64{1, 1_000_000_000, 9_999_999_999}},
		{"a long ramp down", []plan.Stage{ramp(1e6, 0, 6*time.Hour)}, []int64{1, 1_000_000_000, 10_799_999_990, 10_799_999_999}},
		{"a thousand ramps", saw, []int64{1, 1_000_000_000, 2_000_000_000}},
		{"slow after 10^10 slots", slowAtLast, []int64{9_999_829_999, 9_999_830_000, 9_999_830_001, 9_999_830_010}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(&plan.Plan{Load: plan.Load{Requests: math.MaxInt64, OpenLoop: &plan.OpenLoop{Stages: tt.stages}}})
			for _, i := range tt.slots {
				checkExact(t, tt.stages, i, s.Due(i))
			}
		})
	}
}
