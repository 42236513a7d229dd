package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// The plain types have the API's values, with its numbers and names, no more and no fewer.
func TestEnumsAreTheAPIs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		enum   string
		names  map[int32]string
		prefix string
		plain  func(int32) fmt.Stringer
		known  []int32 // beside 0
	}{
		{
			"ErrorClass", fanoutv1.ErrorClass_name, "ERROR_CLASS_",
			func(n int32) fmt.Stringer { return outcome.Class(n) }, numbers(outcome.Classes()),
		},
		{
			"NotSentReason", fanoutv1.NotSentReason_name, "NOT_SENT_REASON_",
			func(n int32) fmt.Stringer { return outcome.Reason(n) }, numbers(outcome.Reasons()),
		},
		{
			"State", fanoutv1.State_name, "STATE_",
			func(n int32) fmt.Stringer { return run.State(n) },
			numbers([]run.State{run.Starting, run.Running, run.Stopping, run.Ended}),
		},
		{
			"Verdict", fanoutv1.Verdict_name, "VERDICT_",
			func(n int32) fmt.Stringer { return run.Verdict(n) },
			numbers([]run.Verdict{run.Passed, run.Failed, run.Incomplete, run.Cancelled}),
		},
		{
			"Engine", fanoutv1.Engine_name, "ENGINE_",
			func(n int32) fmt.Stringer { return plan.Engine(n) }, numbers(plan.Engines()),
		},
		{
			"LimitedBy", fanoutv1.LimitedBy_name, "LIMITED_BY_",
			func(n int32) fmt.Stringer { return run.LimitedBy(n) },
			numbers([]run.LimitedBy{run.ByTarget, run.ByGenerator, run.BySchedule}),
		},
		{
			"WorkerFailureClass", fanoutv1.WorkerFailureClass_name, "WORKER_FAILURE_CLASS_",
			func(n int32) fmt.Stringer { return run.FailureClass(n) },
			numbers([]run.FailureClass{run.Unreachable, run.Refused, run.Lost, run.Inconsistent, run.Stopped}),
		},
		{
			"OnWorkerLoss", fanoutv1.OnWorkerLoss_name, "ON_WORKER_LOSS_",
			func(n int32) fmt.Stringer { return run.OnWorkerLoss(n) }, numbers(run.OnWorkerLosses()),
		},
		{
			"Detail", fanoutv1.Detail_name, "DETAIL_",
			func(n int32) fmt.Stringer { return plan.Detail(n) }, numbers(plan.Details()),
		},
		{
			"SlowStream", fanoutv1.SlowStream_name, "SLOW_STREAM_",
			func(n int32) fmt.Stringer { return plan.SlowStream(n) }, numbers(plan.SlowStreams()),
		},
	} {
		t.Run(tt.enum, func(t *testing.T) {
			t.Parallel()
			for n, name := range tt.names {
				if got, want := tt.plain(n).String(), strings.TrimPrefix(name, tt.prefix); got != want {
					t.Errorf("number %d is called %s, in the API %s", n, got, want)
				}
			}
			for _, n := range tt.known {
				if _, ok := tt.names[n]; !ok {
					t.Errorf("%v (%d) is not in the API", tt.plain(n), n)
				}
			}
			if got, want := len(tt.known)+1, len(tt.names); got != want {
				t.Errorf("%d values, in the API %d", got, want)
			}
		})
	}
	if outcome.ClassCount != len(fanoutv1.ErrorClass_name)+2 { // 33 and 34 are free
		t.Errorf("ClassCount is %d", outcome.ClassCount)
	}
}

func numbers[E ~int | ~int32 | ~uint8](all []E) []int32 {
	var n []int32
	for _, e := range all {
		n = append(n, int32(e))
	}
	return n
}

// What a newer worker says becomes something that is known here, and can be counted.
func TestUnknownNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []int32{33, 41, 255, 256, 257, 1 << 30, -1, -1 << 31} {
		if got := Outcome(&fanoutv1.Outcome{Error: fanoutv1.ErrorClass(n)}).Error; got != outcome.Other {
			t.Errorf("class %d became %v, want OTHER", n, got)
		}
	}
	for _, n := range []int32{7, 255, 256, 257, 258, 1 << 30, -1, -1 << 31} {
		if got := Outcome(&fanoutv1.Outcome{NotSent: fanoutv1.NotSentReason(n)}).NotSent; got != outcome.NotSentLeaseLost {
			t.Errorf("reason %d became %v, want LEASE_LOST", n, got)
		}
	}
	for _, n := range []int32{6, 1 << 30, -1} {
		r := Run(&fanoutv1.Run{
			State: fanoutv1.State(n), Verdict: fanoutv1.Verdict(n), OnWorkerLoss: fanoutv1.OnWorkerLoss(n),
			Workers: []*fanoutv1.WorkerResult{{Failure: &fanoutv1.WorkerFailure{Class: fanoutv1.WorkerFailureClass(n)}}},
		})
		for _, s := range []fmt.Stringer{r.State, r.Verdict, r.OnWorkerLoss, r.Workers[0].Failure.Class} {
			if s.String() != "UNSPECIFIED" {
				t.Errorf("%T %d is called %v, want UNSPECIFIED", s, n, s)
			}
		}
	}
}
