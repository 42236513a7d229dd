package wire

import (
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestLoadViolations(t *testing.T) {
	t.Parallel()
	load := func(l *fanoutv1.Load) func(*fanoutv1.Plan) { return func(pb *fanoutv1.Plan) { pb.Load = l } }
	closed := func(concurrency int64) func(*fanoutv1.Plan) {
		return load(&fanoutv1.Load{Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: concurrency}}})
	}
	open := func(l *fanoutv1.Load, o *fanoutv1.OpenLoop) func(*fanoutv1.Plan) {
		l.Shape = &fanoutv1.Load_OpenLoop{OpenLoop: o}
		return load(l)
	}
	staged := func(rate float64, d time.Duration) *fanoutv1.OpenLoop {
		stage := &fanoutv1.Stage{RatePerSecond: rate}
		if d != 0 {
			stage.Duration = durationpb.New(d)
		}
		return &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stage}}
	}
	const (
		stage = "plan.load.open_loop.stages[0]"
		rate  = stage + ".rate_per_second"
		day   = 24 * time.Hour
	)
	for _, tt := range []planCase{
		{"requests below 0", load(&fanoutv1.Load{Requests: -1}), "plan.load.requests", "-1", "0 to 10000000000"},
		{"requests above the cap", load(&fanoutv1.Load{Requests: 1e10 + 1}), "plan.load.requests", "10000000001", "0 to 10000000000"},
		{"requests at the cap", load(&fanoutv1.Load{Requests: 1e10}), "", "", ""},
		{"duration 0", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(0)}), "plan.load.duration", "0s", "more than 0"},
		{"duration above the cap", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(day + 1)}), "plan.load.duration", "24h0m0.000000001s", "cap of 24h;"},
		{"duration with requests", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(day)}), "", "", ""},
		{"duration alone", load(&fanoutv1.Load{Duration: durationpb.New(10 * time.Second)}), "plan.load.duration", "10s", "how long but not how much"},
		{"grace below 0", load(&fanoutv1.Load{GraceDuration: durationpb.New(-1)}), "plan.load.grace_duration", "-1ns", "0 to 24h"},
		{"grace above the cap", load(&fanoutv1.Load{GraceDuration: durationpb.New(2 * day)}), "plan.load.grace_duration", "48h ", "cap of 24h;"},
		{"grace of mixed signs", load(&fanoutv1.Load{GraceDuration: &durationpb.Duration{Seconds: -1, Nanos: 1}}), "plan.load.grace_duration", "-1 s and 1 ns", "not a duration"},

		{"concurrency absent", closed(0), "plan.load.closed_loop.concurrency", "0 ", "use 1 to"},
		{"closed_loop nil", load(&fanoutv1.Load{Shape: &fanoutv1.Load_ClosedLoop{}}), "plan.load.closed_loop.concurrency", "0 ", "use 1 to"},
		{"concurrency below 0", closed(-3), "plan.load.closed_loop.concurrency", "-3 ", "use 1 to"},
		{"concurrency above the slots", closed(1e10 + 1), "plan.load.closed_loop.concurrency", "10000000001", "use 1 to 10000000000"},
		{"concurrency of many workers", closed(1e6), "", "", ""},

		{"no stage", open(&fanoutv1.Load{}, &fanoutv1.OpenLoop{}), "plan.load.open_loop.stages", "0 stages", "give one"},
		{"open_loop nil", open(&fanoutv1.Load{}, nil), "plan.load.open_loop.stages", "0 stages", "give one"},
		{"two stages", open(&fanoutv1.Load{}, &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{{RatePerSecond: 1}, {RatePerSecond: 2}}}), "plan.load.open_loop.stages", "2 stages", "exactly one"},
		{"max_concurrency below 0", open(&fanoutv1.Load{}, &fanoutv1.OpenLoop{MaxConcurrency: -1, Stages: staged(1, 0).Stages}), "plan.load.open_loop.max_concurrency", "-1 ", "use 0"},
		{"rate absent", open(&fanoutv1.Load{}, staged(0, 0)), rate, "0 ", "more than 0"},
		{"stage nil", open(&fanoutv1.Load{}, &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{nil}}), rate, "0 ", "more than 0"},
		{"rate below 0", open(&fanoutv1.Load{}, staged(-0.5, 0)), rate, "-0.5 ", "more than 0"},
		{"rate NaN", open(&fanoutv1.Load{}, staged(math.NaN(), 0)), rate, "NaN", "not a rate"},
		{"rate infinite", open(&fanoutv1.Load{}, staged(math.Inf(1), 0)), rate, "+Inf", "not a rate"},
		{"rate above the cap", open(&fanoutv1.Load{}, staged(1_000_000.5, 0)), rate, "1000000.5 ", "cap of 1000000;"},
		{"rate above every cap", open(&fanoutv1.Load{}, staged(1e300, 0)), rate, "1e+300 ", "cap of 1000000;"},
		{"rate next to nothing", open(&fanoutv1.Load{}, staged(5e-324, 0)), "", "", ""},
		{"stage's duration 0", open(&fanoutv1.Load{}, &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{{RatePerSecond: 1, Duration: &durationpb.Duration{}}}}), stage + ".duration", "0s", "more than 0"},
		{"stage's duration above the cap", open(&fanoutv1.Load{}, staged(1, 2*day)), stage + ".duration", "48h ", "cap of 24h;"},

		{"rate × duration at the cap", open(&fanoutv1.Load{Duration: durationpb.New(10_000 * time.Second)}, staged(1e6, 0)), "", "", ""},
		{"rate × duration above the cap", open(&fanoutv1.Load{Duration: durationpb.New(10_001 * time.Second)}, staged(1e6, 0)), rate, "1000000 per second for 2h46m41s are 10001000000 slots", "cap of 10000000000"},
		{"rate × stage's duration above the cap", open(&fanoutv1.Load{}, staged(1e6, day)), rate, "1000000 per second for 24h are 86400000000 slots", "cap of 10000000000"},
		{"the lesser of both durations counts", open(&fanoutv1.Load{Duration: durationpb.New(time.Second)}, staged(1e6, day)), "", "", ""},
		{"requests end it first", open(&fanoutv1.Load{Requests: 5}, staged(1e6, day)), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}
