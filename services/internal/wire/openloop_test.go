package wire

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// stageProto is a stage; with a duration of 0 it has none.
func stageProto(rate float64, d time.Duration) *fanoutv1.Stage {
	stage := &fanoutv1.Stage{RatePerSecond: rate}
	if d != 0 {
		stage.Duration = durationpb.New(d)
	}
	return stage
}

func rampProto(from, to float64, d time.Duration) *fanoutv1.Stage {
	stage := stageProto(from, d)
	stage.EndRatePerSecond = &to
	return stage
}

// open gives a plan an open loop of stages, in a load of its own.
func open(l *fanoutv1.Load, stages ...*fanoutv1.Stage) func(*fanoutv1.Plan) {
	return opened(l, &fanoutv1.OpenLoop{Stages: stages})
}

func opened(l *fanoutv1.Load, o *fanoutv1.OpenLoop) func(*fanoutv1.Plan) {
	l.Shape = &fanoutv1.Load_OpenLoop{OpenLoop: o}
	return func(pb *fanoutv1.Plan) { pb.Load = l }
}

func random(seed int64) *fanoutv1.OpenLoop_Poisson {
	return &fanoutv1.OpenLoop_Poisson{Poisson: &fanoutv1.Poisson{Seed: seed}}
}

func TestOpenLoopViolations(t *testing.T) {
	t.Parallel()
	const (
		loop   = "plan.load.open_loop"
		stages = loop + ".stages"
		rate   = stages + "[0].rate_per_second"
		end    = stages + "[0].end_rate_per_second"
		day    = 24 * time.Hour
		second = time.Second
	)
	none := func() *fanoutv1.Load { return &fanoutv1.Load{} }
	lasting := func(d time.Duration) *fanoutv1.Load { return &fanoutv1.Load{Duration: durationpb.New(d)} }
	patient := func(d *durationpb.Duration) func(*fanoutv1.Plan) {
		return opened(none(), &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stageProto(1, 0)}, MaxLateness: d})
	}
	for _, tt := range []planCase{
		{"no stage", open(none()), stages, "0 stages", "give one"},
		{"open_loop nil", opened(none(), nil), stages, "0 stages", "give one"},
		{"1,000 stages", open(none(), slices.Repeat([]*fanoutv1.Stage{stageProto(1, second)}, 1000)...), "", "", ""},
		{"1,001 stages", open(none(), slices.Repeat([]*fanoutv1.Stage{stageProto(1, second)}, 1001)...), stages, "1001 stages", "cap of 1000;"},
		{"max_concurrency below 0", opened(none(), &fanoutv1.OpenLoop{MaxConcurrency: -1, Stages: []*fanoutv1.Stage{stageProto(1, 0)}}), loop + ".max_concurrency", "-1 ", "use 0"},
		{"max_lateness below 0", patient(durationpb.New(-1)), loop + ".max_lateness", "-1ns", "use 0 to 24h"},
		{"max_lateness above the cap", patient(durationpb.New(2 * day)), loop + ".max_lateness", "48h ", "the worker's cap of 24h (max_duration);"},
		{"max_lateness of mixed signs", patient(&durationpb.Duration{Seconds: 1, Nanos: -1}), loop + ".max_lateness", "1 s and -1 ns", "not a duration"},
		{"max_lateness 0", patient(durationpb.New(0)), "", "", ""},
		{"max_lateness at the cap", patient(durationpb.New(day)), "", "", ""},

		{"rate below 0", open(none(), stageProto(-0.5, 0)), rate, "-0.5 ", "less than 0"},
		{"rate NaN", open(none(), stageProto(math.NaN(), 0)), rate, "NaN", "not a rate"},
		{"rate infinite", open(none(), stageProto(math.Inf(1), 0)), rate, "+Inf", "not a rate"},
		{"rate above the cap", open(none(), stageProto(1_000_000.5, 0)), rate, "1000000.5 ", "the worker's cap of 1000000 (max_rate_per_second);"},
		{"rate above every cap", open(none(), stageProto(1e300, 0)), rate, "1e+300 ", "the worker's cap of 1000000 (max_rate_per_second);"},
		{"requests that take for ever", open(&fanoutv1.Load{Requests: 10}, stageProto(1e-300, 0)), stages, "10 requests ", "the worker's cap of 24h (max_duration);"},
		{"requests that take a day", open(&fanoutv1.Load{Requests: 86_401}, stageProto(1, 0)), "", "", ""},
		{"requests that take a second more", open(&fanoutv1.Load{Requests: 86_402}, stageProto(1, 0)), stages, "86402 requests ", "the worker's cap of 24h (max_duration);"},
		{"rate next to nothing", open(none(), stageProto(5e-324, 0)), "", "", ""},
		{"end rate below 0", open(none(), rampProto(1, -1, second)), end, "-1 ", "less than 0"},
		{"end rate NaN", open(none(), rampProto(1, math.NaN(), second)), end, "NaN", "not a rate"},
		{"end rate infinite", open(none(), rampProto(1, math.Inf(-1), second)), end, "-Inf", "not a rate"},
		{"end rate above the cap", open(none(), rampProto(1, 1e6+1, second)), end, "1000001 ", "the worker's cap of 1000000 (max_rate_per_second);"},
		{"end rate 0", open(none(), rampProto(1, 0, second)), "", "", ""},
		{"end rate the same", open(none(), rampProto(1, 1, 0)), "", "", ""},
		{"stage's duration 0", open(none(), &fanoutv1.Stage{RatePerSecond: 1, Duration: &durationpb.Duration{}}), stages + "[0].duration", "0s", "more than 0"},
		{"stage's duration above the cap", open(lasting(second), stageProto(1, 2*day)), stages + "[0].duration", "48h ", "the worker's cap of 24h (max_duration);"},
		{"all stages above the cap", open(none(), stageProto(1, 23*time.Hour), stageProto(1, 2*time.Hour)), stages, "25h of all", "the worker's cap of 24h (max_duration);"},
		{"all stages above the cap, the load below it", open(lasting(day), stageProto(1, 23*time.Hour), stageProto(1, 2*time.Hour)), "", "", ""},

		{"a first stage without a duration", open(none(), stageProto(1, 0), stageProto(2, second)), stages + "[0].duration", "no duration", "only the last stage"},
		{"a last stage until the load's end", open(lasting(day), stageProto(1, second), stageProto(2, 0)), "", "", ""},
		{"a last stage until the last request", open(&fanoutv1.Load{Requests: 10}, stageProto(1, second), stageProto(2, 0)), "", "", ""},
		{"a last stage without an end", open(none(), stageProto(1, second), stageProto(2, 0)), stages + "[1].duration", "neither duration nor requests", "give one"},
		{"a ramp until the load's end", open(lasting(day), rampProto(0, 2, 0)), "", "", ""},
		{"a ramp without an end", open(none(), rampProto(1, 2, 0)), stages + "[0].duration", "a ramp has to end", "give one"},
		{"a ramp until the last request", open(&fanoutv1.Load{Requests: 10}, rampProto(1, 2, 0)), stages + "[0].duration", "a ramp has to end", "give one"},
		{"rate absent", open(none(), stageProto(0, 0)), rate, "0 ", "pause without end"},
		{"stage nil", open(none(), nil), rate, "0 ", "pause without end"},
		{"a last pause without a duration", open(lasting(day), stageProto(1, second), stageProto(0, 0)), stages + "[1].rate_per_second", "0 ", "pause without end"},
		{"a last ramp from 0 to 0", open(lasting(day), rampProto(0, 0, 0)), rate, "0 ", "pause without end"},
		{"a last pause", open(none(), stageProto(1, second), stageProto(0, second)), "", "", ""},
		{"a first pause", open(none(), stageProto(0, second), stageProto(1, 0)), stages + "[1].duration", "neither", "give one"},

		{"stages that sum to nothing", open(none(), stageProto(0, second), rampProto(0, 0, second)), stages, "0 slots fall due within 2s", "more than 0"},
		{"stages with nothing until the load's end", open(lasting(second), stageProto(0, second), stageProto(1, 0)), stages, "0 slots fall due within 1s", "more than 0"},
		{"requests, and stages that sum to nothing", open(&fanoutv1.Load{Requests: 5}, stageProto(0, second)), stages, "0 slots fall due within 1s", "more than 0"},
		{"a random process without a point", opened(none(), &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stageProto(0.001, second)}, Arrival: random(1)}), stages, "0 slots fall due within 1s", "another seed"},
		{"any seed", opened(none(), &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stageProto(1000, second)}, Arrival: random(math.MinInt64)}), "", "", ""},
		{"poisson nil", opened(none(), &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stageProto(1000, second)}, Arrival: &fanoutv1.OpenLoop_Poisson{}}), "", "", ""},

		{"rate × duration at the cap", open(lasting(10_000*second), stageProto(1e6, 0)), "", "", ""},
		{"rate × duration above the cap", open(lasting(10_001*second), stageProto(1e6, 0)), rate, "1000000 per second for 2h46m41s are 10001000000 slots", "the worker's cap of 10000000000 (max_slot_count);"},
		{"rate × stage's duration above the cap", open(none(), stageProto(1e6, day)), rate, "1000000 per second for 24h are 86400000000 slots", "the worker's cap of 10000000000 (max_slot_count);"},
		{"the lesser of both durations counts", open(lasting(second), stageProto(1e6, day)), "", "", ""},
		{"requests end it first", open(&fanoutv1.Load{Requests: 5}, stageProto(1e6, day)), "", "", ""},
		{"ramps at the cap", open(none(), rampProto(0, 1e6, 10_000*second), rampProto(1e6, 0, 10_000*second)), "", "", ""},
		{"ramps above the cap", open(none(), rampProto(0, 1e6, 10_000*second), rampProto(1e6, 2, 10_000*second)), stages, "10000010000 slots fall due within 5h33m20s", "the worker's cap of 10000000000 (max_slot_count);"},
		{"random arrivals above the cap", opened(none(), &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stageProto(1e6, day)}, Arrival: random(1)}), rate, "1000000 per second for 24h", "the worker's cap of 10000000000 (max_slot_count);"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}

// Whatever is wrong comes at once, also within stages.
func TestAllStagesAreChecked(t *testing.T) {
	t.Parallel()
	pb := minimalPlan()
	opened(&fanoutv1.Load{}, &fanoutv1.OpenLoop{
		Stages:         []*fanoutv1.Stage{stageProto(-1, 0), rampProto(math.NaN(), 1e9, time.Second), stageProto(1, -time.Second), stageProto(0, 0)},
		MaxConcurrency: -1, MaxLateness: durationpb.New(-1),
	})(pb)
	_, got := ParsePlan(pb, plan.DefaultCaps())
	var fields []string
	for _, v := range got {
		fields = append(fields, v.Field)
	}
	const at = "plan.load.open_loop."
	want := []string{
		at + "stages[0].rate_per_second", at + "stages[1].rate_per_second", at + "stages[1].end_rate_per_second",
		at + "stages[2].duration", at + "stages[3].rate_per_second", at + "max_concurrency", at + "max_lateness",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("violations of stages of which everything is wrong, -want +got:\n%s", diff)
	}
	checkReadable(t, got)
}
