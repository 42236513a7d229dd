package schedule

import (
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

func BenchmarkDue(b *testing.B) {
	poisson := &plan.Poisson{Seed: 1}
	stairs := make([]plan.Stage, 1000)
	for i := range stairs {
		stairs[i] = plan.Stage{Rate: float64(i + 1), Duration: time.Minute}
	}
	for _, bm := range []struct {
		name   string
		load   plan.OpenLoop
		stride int64 // as in one of so many workers
	}{
		{"constant", plan.OpenLoop{Stages: []plan.Stage{{Rate: 100_000}}}, 1},
		{"ramp", plan.OpenLoop{Stages: []plan.Stage{ramp(100, 100_000, time.Hour)}}, 1},
		{"1000 stages", plan.OpenLoop{Stages: stairs}, 1},
		{"poisson", plan.OpenLoop{Stages: []plan.Stage{{Rate: 100_000}}, Poisson: poisson}, 1},
		{"poisson, one of 100 workers", plan.OpenLoop{Stages: []plan.Stage{{Rate: 100_000}}, Poisson: poisson}, 100},
		{"poisson, ramp", plan.OpenLoop{Stages: []plan.Stage{ramp(100, 100_000, time.Hour)}, Poisson: poisson}, 1},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := New(&plan.Plan{Load: plan.Load{Requests: 1e10, OpenLoop: &bm.load}})
			b.ReportAllocs()
			slot := int64(0)
			for b.Loop() {
				s.Due(slot % 20_000_000)
				slot += bm.stride
			}
		})
	}
}

// Many senders of one worker at once.
func BenchmarkDueParallel(b *testing.B) {
	s := New(&plan.Plan{Load: plan.Load{Requests: 1e10, OpenLoop: &plan.OpenLoop{
		Stages: []plan.Stage{{Rate: 100_000}}, Poisson: &plan.Poisson{Seed: 1},
	}}})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for slot := int64(0); pb.Next(); slot++ {
			s.Due(slot % 20_000_000)
		}
	})
}

// What a request with the longest random plan costs whoever parses it.
func BenchmarkNew(b *testing.B) {
	b.Run("poisson, 10^10 slots", func(b *testing.B) {
		p := &plan.Plan{Load: plan.Load{Duration: 10_000 * time.Second, OpenLoop: &plan.OpenLoop{
			Stages: []plan.Stage{{Rate: 1e6}}, Poisson: &plan.Poisson{Seed: 1},
		}}}
		b.ReportAllocs()
		for b.Loop() {
			New(p)
		}
	})
	b.Run("1000 stages", func(b *testing.B) {
		load := plan.Load{OpenLoop: &plan.OpenLoop{}}
		for i := range 1000 {
			load.OpenLoop.Stages = append(load.OpenLoop.Stages, ramp(float64(i), 1000, time.Minute))
		}
		b.ReportAllocs()
		for b.Loop() {
			New(&plan.Plan{Load: load})
		}
	})
}

func BenchmarkDueBefore(b *testing.B) {
	for _, bm := range []struct {
		name    string
		poisson *plan.Poisson
	}{{"uniform", nil}, {"poisson", &plan.Poisson{Seed: 1}}} {
		b.Run(bm.name, func(b *testing.B) {
			s := New(&plan.Plan{Load: plan.Load{Requests: 1e10, OpenLoop: &plan.OpenLoop{
				Stages: []plan.Stage{{Rate: 100_000}}, Poisson: bm.poisson,
			}}})
			b.ReportAllocs()
			second := 0
			for b.Loop() {
				s.DueBefore(time.Duration(second%3600) * time.Second)
				second++
			}
		})
	}
}

// ramp is a stage in which the rate goes from one value to another.
func ramp(from, to float64, length time.Duration) plan.Stage {
	return plan.Stage{Rate: from, EndRate: &to, Duration: length}
}
