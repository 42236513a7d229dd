package wire

import (
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
	const day = 24 * time.Hour
	for _, tt := range []planCase{
		{"requests below 0", load(&fanoutv1.Load{Requests: -1}), "plan.load.requests", "-1", "0 to 10000000000"},
		{"requests above the cap", load(&fanoutv1.Load{Requests: 1e10 + 1}), "plan.load.requests", "10000000001", "the worker's cap of 10000000000 (max_slot_count);"},
		{"requests at the cap", load(&fanoutv1.Load{Requests: 1e10}), "", "", ""},
		{"duration 0", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(0)}), "plan.load.duration", "0s", "more than 0"},
		{"duration above the cap", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(day + 1)}), "plan.load.duration", "24h0m0.000000001s", "the worker's cap of 24h (max_duration);"},
		{"duration with requests", load(&fanoutv1.Load{Requests: 1, Duration: durationpb.New(day)}), "", "", ""},
		{"duration alone", load(&fanoutv1.Load{Duration: durationpb.New(10 * time.Second)}), "plan.load.duration", "10s", "how long but not how much"},
		{"grace below 0", load(&fanoutv1.Load{GraceDuration: durationpb.New(-1)}), "plan.load.grace_duration", "-1ns", "0 to 24h"},
		{"grace above the cap", load(&fanoutv1.Load{GraceDuration: durationpb.New(2 * day)}), "plan.load.grace_duration", "48h ", "the worker's cap of 24h (max_duration);"},
		{"grace of mixed signs", load(&fanoutv1.Load{GraceDuration: &durationpb.Duration{Seconds: -1, Nanos: 1}}), "plan.load.grace_duration", "-1 s and 1 ns", "not a duration"},

		{"concurrency absent", closed(0), "plan.load.closed_loop.concurrency", "0 ", "use 1 to"},
		{"closed_loop nil", load(&fanoutv1.Load{Shape: &fanoutv1.Load_ClosedLoop{}}), "plan.load.closed_loop.concurrency", "0 ", "use 1 to"},
		{"concurrency below 0", closed(-3), "plan.load.closed_loop.concurrency", "-3 ", "use 1 to"},
		{"concurrency above the slots", closed(1e10 + 1), "plan.load.closed_loop.concurrency", "10000000001", "the worker's cap of 10000000000 (max_slot_count);"},
		{"concurrency of many workers", closed(1e6), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, plan.DefaultCaps())
		})
	}
}
