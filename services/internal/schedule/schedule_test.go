package schedule

import (
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

func staged(stages ...plan.Stage) *plan.Plan {
	return &plan.Plan{Requests: []plan.Request{{Weight: 1}}, Load: plan.Load{OpenLoop: &plan.OpenLoop{Stages: stages}}}
}

func within(p *plan.Plan, requests int64, duration time.Duration) *plan.Plan {
	p.Load.Requests, p.Load.Duration = requests, duration
	return p
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
		{"steps", staged(plan.Stage{Rate: 10, Duration: time.Second}, plan.Stage{Rate: 100, Duration: 2 * time.Second}), 210},
		{"a ramp", staged(ramp(0, 100, 10*time.Second)), 500},
		{"a ramp to 0", staged(ramp(100, 0, 10*time.Second)), 500},
		{"a pause in between", staged(plan.Stage{Rate: 10, Duration: time.Second}, plan.Stage{Duration: time.Hour}, plan.Stage{Rate: 10, Duration: time.Second}), 20},
		{"a pause at the end", staged(plan.Stage{Rate: 10, Duration: time.Second}, plan.Stage{Duration: time.Hour}), 10},
		{"only a pause", staged(plan.Stage{Duration: time.Hour}), 0},
		{"the last stage until the load's end", within(staged(plan.Stage{Rate: 10, Duration: time.Second}, plan.Stage{Rate: 100}), 0, 3*time.Second), 210},
		{"the last ramp until the load's end", within(staged(plan.Stage{Rate: 10, Duration: time.Second}, ramp(0, 100, 0)), 0, 3*time.Second), 110},
		{"a ramp that the load cuts", within(staged(ramp(0, 100, 10*time.Second)), 0, 5*time.Second), 125},
		{"a load that ends before its second stage", within(staged(plan.Stage{Rate: 10, Duration: 5 * time.Second}, ramp(0, 100, 0)), 0, 2*time.Second), 20},
		{"stages and fewer requests", within(staged(ramp(0, 100, 10*time.Second)), 7, 0), 7},
		{"stages and more requests", within(staged(ramp(0, 100, 10*time.Second)), 7000, 0), 500},
		{"requests until the last stage has them all", within(staged(plan.Stage{Rate: 1, Duration: time.Second}, plan.Stage{Rate: 10}), 7000, 0), 7000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := New(tt.plan).Slots(); got != tt.want {
				t.Errorf("Slots() = %d, want %d", got, tt.want)
			}
		})
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

// Where the integral rests, in a pause, the next slot is due at the pause's end.
func TestDueAroundPauses(t *testing.T) {
	t.Parallel()
	second := time.Second
	p := staged(
		plan.Stage{Duration: second}, plan.Stage{Rate: 0.3, Duration: 10 * second},
		plan.Stage{Duration: second}, plan.Stage{Duration: second}, plan.Stage{Rate: 2, Duration: second}, plan.Stage{Duration: second},
	)
	s := New(p)
	want := []time.Duration{second, second + 3_333_333_333, second + 6_666_666_667, 13 * second, 13*second + second/2, never}
	for i, want := range want {
		if got := s.Due(int64(i)); got != want {
			t.Errorf("Due(%d) = %v, want %v", i, got, want)
		}
	}
	if got := s.Slots(); got != 5 {
		t.Errorf("Slots() = %d, want 5", got)
	}
}

func TestRateOfStages(t *testing.T) {
	t.Parallel()
	s := New(within(staged(ramp(0, 100, 10*time.Second), plan.Stage{Duration: time.Second}, plan.Stage{Rate: 5, Duration: time.Minute}), 0, 20*time.Second))
	for at, want := range map[time.Duration]float64{
		-1: 0, 0: 0, 5 * time.Second: 50, 10 * time.Second: 0, 11 * time.Second: 5, 20*time.Second - 1: 5, 20 * time.Second: 0,
	} {
		if got := s.Rate(at); got != want {
			t.Errorf("Rate(%v) = %v, want %v", at, got, want)
		}
	}
	if closed := New(&plan.Plan{Load: plan.Load{Requests: 1}}); closed.Open() || closed.Rate(0) != 0 || !s.Open() {
		t.Errorf("Open() = %v and %v, want false and true", closed.Open(), s.Open())
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
