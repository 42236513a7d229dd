package runs

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// atRate is a schedule of an open loop.
func atRate(rate float64, requests int64, d time.Duration) *schedule.Schedule {
	return schedule.New(&plan.Plan{
		Requests: []plan.Request{{Weight: 1}},
		Load:     plan.Load{Requests: requests, Duration: d, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: rate}}}},
	})
}

// plannedRates is the planned rates of a run's first n seconds.
func plannedRates(slots *schedule.Schedule, n int64) []float64 {
	var rates []float64
	for second := range n {
		rates = append(rates, rate(slots, second))
	}
	return rates
}

// The planned rate of a second is the slots due in it.
func TestPlannedRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		slots *schedule.Schedule
		want  []float64
	}{
		{"whole seconds", atRate(100, 0, 2*time.Second), []float64{100, 100, 0}},
		{"part of a second", atRate(100, 0, 2500*time.Millisecond), []float64{100, 100, 50, 0}},
		{"requests", atRate(100, 130, 0), []float64{100, 30, 0}},
		{"requests before the duration", atRate(100, 130, time.Minute), []float64{100, 30, 0}},
		{"less than one a second", atRate(0.5, 0, 5*time.Second), []float64{1, 0, 1, 0, 1, 0}},
		{"no whole number", atRate(2.5, 0, 4*time.Second), []float64{3, 2, 3, 2, 0}},
		{"closed loop", closedLoop, []float64{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := plannedRates(tt.slots, int64(len(tt.want))); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("planned rates = %v, want %v", got, tt.want)
			}
		})
	}
}

// The planned rates of all seconds add up to the slots, whatever the rate.
func TestPlannedRatesAreTheSlots(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		perSecond, d := rng.Float64()*1000+0.01, time.Duration(1+rng.Int64N(int64(20*time.Second)))
		slots := atRate(perSecond, 0, d)
		sum := 0.0
		for _, planned := range plannedRates(slots, 21) {
			sum += planned
		}
		if sum != float64(slots.Slots()) {
			t.Errorf("sum of the planned rates at %v a second for %v = %v, want %d slots", perSecond, d, sum, slots.Slots())
		}
	}
}
