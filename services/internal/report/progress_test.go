package report

import (
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func TestProgress(t *testing.T) {
	t.Parallel()
	figures := tally.Latency{Stats: histogram.Stats{Count: 1}, P50: 1200 * time.Microsecond, P99: 8310 * time.Microsecond}
	counted := func(c tally.Counts) *tally.Snapshot { return &tally.Snapshot{Counts: c, Service: figures} }
	timed := &plan.Plan{Load: plan.Load{Duration: 90 * time.Second, ClosedLoop: &plan.ClosedLoop{Concurrency: 100}}}
	for _, tt := range []struct {
		name    string
		run     *run.Run
		elapsed time.Duration
		want    string
	}{
		{"starting", &run.Run{State: run.Starting}, 0, "starting …"},
		{
			"running",
			&run.Run{State: run.Running, Tally: counted(tally.Counts{Planned: 100_000, Pending: 87_555, InFlight: 100, Responses: 12_342, Errors: 3})},
			3 * time.Second,
			"3.0s  12,345 of 100,000 (12%)  4,114/s  errors 3  in flight 100  p50 1.20 ms  p99 8.31 ms",
		},
		{
			"just begun",
			&run.Run{State: run.Running, Tally: &tally.Snapshot{Counts: tally.Counts{Planned: 10, InFlight: 10}}}, 0,
			"0.0s  0 of 10 (0%)  errors 0  in flight 10",
		},
		{"no tally yet", &run.Run{State: run.Running}, time.Second, "1.0s  0 of 0  0.00/s  errors 0  in flight 0"},
		{
			"nearly done",
			&run.Run{State: run.Running, Tally: counted(tally.Counts{Planned: 1_000, InFlight: 1, Responses: 997, NotSent: 1, Unknown: 1})},
			10 * time.Second,
			"10.0s  998 of 1,000 (99%)  99.7/s  errors 0  not sent 1  unknown 1  in flight 1  p50 1.20 ms",
		},
		{
			"by time",
			&run.Run{State: run.Running, Plan: timed, Tally: counted(tally.Counts{Planned: 12_445, InFlight: 100, Responses: 12_345})},
			61 * time.Second,
			"1m01s of 1m30s  12,345 done  202/s  errors 0  in flight 100  p50 1.20 ms  p99 8.31 ms",
		},
		{
			"stopping",
			&run.Run{State: run.Stopping, Tally: counted(tally.Counts{Planned: 20, InFlight: 2, Responses: 18})}, 2 * time.Second,
			"stopping …  2.0s  18 of 20 (90%)  9.00/s  errors 0  in flight 2  p50 1.20 ms  p99 8.31 ms",
		},
		{
			"ended",
			&run.Run{State: run.Ended, Tally: counted(tally.Counts{Planned: 20, Responses: 20})}, 2 * time.Second,
			"2.0s  20 of 20 (100%)  10.0/s  errors 0  p50 1.20 ms  p99 8.31 ms",
		},
		{
			"too long",
			&run.Run{State: run.Stopping, Tally: counted(tally.Counts{Planned: 1e10, InFlight: 16_384, Responses: 8e9, Errors: 1e9, NotSent: 5e8})},
			20 * time.Hour,
			"stopping …  20h00m00s  9,500,000,000 of 10,000,000,000 (95%)  111,111/s  errors 1,000,000,000",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Progress(tt.run, tt.elapsed, 0)
			if got != tt.want {
				t.Errorf("Progress() =\n%q, want\n%q", got, tt.want)
			}
			if columns(got) > maxProgress {
				t.Errorf("Progress() has %d columns, want at most %d", columns(got), maxProgress)
			}
		})
	}
}
