package runs

import (
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// What limited a run is the generator beyond any of its bounds, else the schedule where it was kept, else the target.
func TestLimit(t *testing.T) {
	t.Parallel()
	late := func(p99 time.Duration) *tally.Snapshot {
		return &tally.Snapshot{Counts: tally.Counts{Planned: 1000, Responses: 1000}, Lateness: tally.Latency{P99: p99}}
	}
	unsent := func(reason outcome.Reason, n int64) *tally.Snapshot {
		return &tally.Snapshot{
			Counts:  tally.Counts{Planned: 1000, Responses: 1000 - n, NotSent: n},
			NotSent: []tally.ReasonCount{{Reason: reason, Count: n}},
		}
	}
	givenUp := func(n int64) *tally.Snapshot { return unsent(outcome.NotSentLate, n) }
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		closed  bool
		atOnce  bool
		took    time.Duration // 0: 10 s
		tally   *tally.Snapshot
		stalled time.Duration
		effort  *run.Effort
		want    run.LimitedBy
		reason  string
	}{
		{name: "on schedule", tally: late(9 * ms), effort: &run.Effort{CPUShare: 0.5}, want: run.BySchedule},
		{name: "late by itself", tally: late(11 * ms), effort: &run.Effort{HeldBack: 10}, want: run.ByGenerator, reason: "11ms"},
		{name: "late for want of senders", tally: late(11 * ms), effort: &run.Effort{HeldBack: 11}, want: run.ByTarget, reason: "11 of 1000"},
		{name: "a few given up", tally: givenUp(10), effort: &run.Effort{HeldBack: 10}, want: run.BySchedule},
		{name: "given up by itself", tally: givenUp(11), effort: &run.Effort{HeldBack: 10}, want: run.ByGenerator, reason: "11 of 1000 slots were not sent in time, although"},
		{name: "given up for want of senders", tally: givenUp(11), effort: &run.Effort{HeldBack: 11}, want: run.ByTarget, reason: "11 of 1000 slots waited"},
		{
			name: "given up for want of more than a worker has", tally: givenUp(20), effort: &run.Effort{HeldBack: 20, Capped: 11, Senders: 64},
			want: run.ByGenerator, reason: "20 of 1000 slots were not sent in time: 11 of 1000 slots waited for a sender, and a worker could have no more than 64",
		},
		{name: "given up for want of a few more than a worker has", tally: givenUp(20), effort: &run.Effort{HeldBack: 20, Capped: 10}, want: run.ByTarget, reason: "20 of 1000"},
		{name: "never sent for want of senders", tally: unsent(outcome.NotSentRunEnded, 995), effort: &run.Effort{HeldBack: 995}, want: run.ByTarget, reason: "995 of 1000"},
		{name: "never sent by itself", tally: unsent(outcome.NotSentRunEnded, 995), effort: &run.Effort{}, want: run.ByGenerator, reason: "995 of 1000"},
		{name: "cancelled", tally: unsent(outcome.NotSentCancelled, 500), effort: &run.Effort{}, want: run.NoLimit},
		{name: "a worker that shut down", tally: unsent(outcome.NotSentLeaseLost, 1), effort: &run.Effort{}, want: run.NoLimit},
		{name: "a worker that was lost", tally: &tally.Snapshot{Counts: tally.Counts{Planned: 1000, Responses: 999, Unknown: 1}}, want: run.NoLimit},
		{name: "all at once", atOnce: true, tally: late(0), effort: &run.Effort{}, want: run.ByTarget, reason: "all requests were sent at once"},
		{name: "a worker that told nothing", tally: late(9 * ms), want: run.BySchedule},
		{name: "closed loop", closed: true, tally: late(0), effort: &run.Effort{CPUShare: 0.89}, want: run.ByTarget, reason: "answered"},
		{name: "closed loop that waits for its own deliveries", closed: true, tally: late(time.Second), want: run.ByTarget, reason: "answered"},
		{name: "no core left", closed: true, tally: late(0), effort: &run.Effort{CPUShare: 0.9}, want: run.ByGenerator, reason: "90%"},
		{name: "no core left for a moment", closed: true, took: 999 * ms, tally: late(0), effort: &run.Effort{CPUShare: 1}, want: run.ByTarget, reason: "answered"},
		{name: "no ports left", closed: true, tally: &tally.Snapshot{
			Counts: tally.Counts{Planned: 10, Responses: 5, Errors: 5},
			Errors: []tally.ClassCount{{Class: outcome.ConnReset, Count: 3}, {Class: outcome.LocalPorts, Count: 2}},
		}, want: run.ByGenerator, reason: "LOCAL_PORTS"},
		{name: "a slow stream", closed: true, tally: late(0), stalled: 101 * ms, want: run.ByGenerator, reason: "stream"},
		{name: "a stream that is slow for a moment", closed: true, tally: late(0), stalled: 100 * ms, want: run.ByTarget, reason: "answered"},
		{name: "nothing was sent", tally: &tally.Snapshot{Counts: tally.Counts{Planned: 10, NotSent: 10}}, want: run.NoLimit},
		{name: "no response", closed: true, tally: &tally.Snapshot{Counts: tally.Counts{Planned: 10, Errors: 10}}, want: run.NoLimit},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &plan.Plan{Load: plan.Load{OpenLoop: &plan.OpenLoop{}}}
			if tt.closed {
				p.Load = plan.Load{ClosedLoop: &plan.ClosedLoop{}}
			}
			if tt.atOnce {
				p.Load = plan.Load{Requests: 1000}
			}
			if tt.took == 0 {
				tt.took = 10 * time.Second
			}
			r := &run.Run{
				Plan: p, Tally: tt.tally, Started: time.Now(), Ended: time.Now().Add(tt.took),
				Workers: []run.WorkerResult{{Address: "a:1", Effort: tt.effort, Tally: &tally.Snapshot{Stalled: tt.stalled}}},
			}
			if got, reason := limit(r); got != tt.want || !strings.Contains(reason, tt.reason) || (tt.reason == "") != (reason == "") {
				t.Errorf("limit() = %v, %q, want %v with %q", got, reason, tt.want, tt.reason)
			}
		})
	}
}
