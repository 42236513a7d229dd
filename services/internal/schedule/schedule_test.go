package schedule

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
)

func openLoop(rate float64, requests int64, duration time.Duration) *plan.Plan {
	return &plan.Plan{
		Requests: []plan.Request{{Weight: 1}},
		Load: plan.Load{
			Requests: requests, Duration: duration,
			OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: rate}}},
		},
	}
}

func TestSlots(t *testing.T) {
	t.Parallel()
	three := []plan.Request{{Weight: 1}, {Weight: 5}, {Weight: 1}}
	stage := openLoop(100, 0, 0)
	stage.Load.OpenLoop.Stages[0].Duration = 3 * time.Second
	cut := openLoop(100, 0, 2*time.Second)
	cut.Load.OpenLoop.Stages[0].Duration = 3 * time.Second
	short := openLoop(100, 0, 5*time.Second)
	short.Load.OpenLoop.Stages[0].Duration = 3 * time.Second
	for _, tt := range []struct {
		name string
		plan *plan.Plan
		want int64
	}{
		{"each request once", &plan.Plan{Requests: three}, 3},
		{"each request once at a rate", &plan.Plan{Requests: three, Load: openLoop(5, 0, 0).Load}, 3},
		{"requests", &plan.Plan{Requests: three, Load: plan.Load{Requests: 10}}, 10},
		{"closed loop with a duration", &plan.Plan{Requests: three, Load: plan.Load{Duration: time.Second, ClosedLoop: &plan.ClosedLoop{Concurrency: 1}}}, Unbounded},
		{"rate and duration", openLoop(100, 0, 2*time.Second), 200},
		{"rate and a duration that is no multiple", openLoop(3, 0, time.Second), 3},
		{"a rate slower than the duration", openLoop(0.1, 0, time.Second), 1},
		{"rate, duration and fewer requests", openLoop(100, 50, 2*time.Second), 50},
		{"rate, duration and more requests", openLoop(100, 5000, 2*time.Second), 200},
		{"the stage's duration", stage, 300},
		{"the load ends before its stage", cut, 200},
		{"the stage ends before the load", short, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := New(tt.plan).Slots(); got != tt.want {
				t.Errorf("Slots() = %d, want %d", got, tt.want)
			}
		})
	}
}

// Due and DueBefore are each other's inverse, and Due is monotone, to the nanosecond and also far out.
func TestDueAndDueBeforeAreInverse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0.001, 1e6).Draw(t, "rate")
		s := New(openLoop(rate, math.MaxInt64, 0))
		i := rapid.Int64Range(1, 10_000_000_000).Draw(t, "slot")
		due := s.Due(i)
		if before := s.Due(i - 1); before > due {
			t.Fatalf("Due(%d) = %v, after Due(%d) = %v", i-1, before, i, due)
		}
		if n := s.DueBefore(due); n > i || s.Due(n) < due || n > 0 && s.Due(n-1) >= due {
			t.Fatalf("DueBefore(Due(%d) = %d) = %d", i, due, n)
		}
	})
}

// Against exact integer arithmetic: due times do not accumulate error.
func TestDueDoesNotDrift(t *testing.T) {
	t.Parallel()
	for _, rate := range []int64{1, 3, 7, 997, 5_000, 999_983} {
		s := New(openLoop(float64(rate), math.MaxInt64, 0))
		for _, i := range []int64{1, 2, 1_000_003, 86_400*rate - 1, 86_400 * rate} {
			whole, rest := i/rate, i%rate
			exact := time.Duration(whole*1e9 + rest*1e9/rate)
			if got := s.Due(i); got < exact-1 || got > exact+1 {
				t.Errorf("rate %d: Due(%d) = %d, want %d", rate, i, got, exact)
			}
		}
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	s := New(openLoop(10, 20, 0))
	for at, want := range map[time.Duration]float64{0: 10, 1900 * time.Millisecond: 10, 2 * time.Second: 0, time.Hour: 0} {
		if got := s.Rate(at); got != want {
			t.Errorf("Rate(%v) = %v, want %v", at, got, want)
		}
	}
}

func TestOnceIsInOrder(t *testing.T) {
	t.Parallel()
	s := New(&plan.Plan{Requests: []plan.Request{{Weight: 1}, {Weight: 9}, {Weight: 2}}})
	for i := range 3 {
		if got := s.Request(int64(i)); got != i {
			t.Errorf("Request(%d) = %d, want %d", i, got, i)
		}
	}
}

func TestMixIsExactPerBlock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 60), 2, 12).Draw(t, "weights")
		p := &plan.Plan{Load: plan.Load{Requests: 1}}
		total := 0
		for _, w := range weights {
			p.Requests = append(p.Requests, plan.Request{Weight: w})
			total += w
		}
		s := New(p)
		block := rapid.Int64Range(0, 1_000_000_000/int64(total)).Draw(t, "block")
		got := make([]int, len(weights))
		for i := range int64(total) {
			got[s.Request(block*int64(total)+i)]++
		}
		for r, w := range weights {
			if got[r] != w {
				t.Fatalf("block %d: request %d was given %d slots, want %d", block, r, got[r], w)
			}
		}
	})
}

// A shard holds every n-th slot; its own mix is near the plan's even when n divides the block's length.
func TestMixDoesNotAliasWithTheStride(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Requests: make([]plan.Request, 4), Load: plan.Load{Requests: 1}}
	for r := range p.Requests {
		p.Requests[r].Weight = 1
	}
	s := New(p)
	for _, n := range []int64{2, 4, 8} {
		for k := range n {
			got := make([]int, 4)
			for i := range int64(4000) {
				got[s.Request(k+i*n)]++
			}
			for r, count := range got {
				if count < 800 || count > 1200 {
					t.Errorf("shard %d of %d: request %d has %d of 4000 slots, want about 1000", k, n, r, count)
				}
			}
		}
	}
}
