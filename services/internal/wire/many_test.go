package wire

import (
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// A message of 4 MiB has millions of empty parts. What is beyond a cap is refused by its number, and not looked at one by one.
func TestMillionsOfPartsAreNotLookedAt(t *testing.T) { // not parallel: it measures the process
	const parts = 1_500_000
	for _, tt := range []struct {
		name string
		plan *fanoutv1.Plan
	}{
		{"requests", &fanoutv1.Plan{Requests: manyOf(parts, &fanoutv1.Request{})}},
		{"headers", &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: "http://x/", Headers: manyOf(parts, &fanoutv1.Header{})}}}},
		{"stages", &fanoutv1.Plan{
			Requests: minimalPlan().GetRequests(),
			Load: &fanoutv1.Load{Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
				Stages: manyOf(parts, &fanoutv1.Stage{}),
			}}},
		}},
		{"names of headers", &fanoutv1.Plan{
			Requests: minimalPlan().GetRequests(), Outcomes: &fanoutv1.OutcomeOptions{Headers: manyOf(parts, "x")},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			_ = proto.Size(tt.plan) // fills its caches
			runtime.ReadMemStats(&before)
			p, violations := ParsePlan(tt.plan, plan.DefaultCaps())
			runtime.ReadMemStats(&after)
			if p != nil || len(violations) == 0 {
				t.Errorf("ParsePlan = %v, %q, want violations", p, violations)
			}
			checkReadable(t, violations)
			const most = 32 << 20 // all that may be looked at is what a plan may have
			if took := after.TotalAlloc - before.TotalAlloc; took > most {
				t.Errorf("ParsePlan has allocated %d bytes, want at most %d", took, most)
			}
		})
	}
}

func manyOf[M any](n int, m M) []M {
	all := make([]M, n)
	for i := range all {
		all[i] = m
	}
	return all
}
