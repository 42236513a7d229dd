package runs

import (
	"errors"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// The first of CANCELLED, INCOMPLETE, FAILED, PASSED that fits is the verdict, and its reason says why.
func TestJudge(t *testing.T) {
	t.Parallel()
	var (
		whole      = tally.Counts{Planned: 10, Responses: 10}
		unknown    = tally.Counts{Planned: 10, Responses: 7, Unknown: 3}
		onlyErrors = tally.Counts{Planned: 10, Errors: 10}
		notSent    = tally.Counts{Planned: 10, Responses: 8, NotSent: 2}
		open       = tally.Counts{Planned: 10, Responses: 9}
		none       = tally.Counts{Planned: 10, NotSent: 10}
		cut        = []tally.ClassCount{{Class: outcome.Shutdown, Count: 3}}

		lost           = &run.Failure{Class: run.Lost, Message: "worker b was lost"}
		lying          = &run.Failure{Class: run.Inconsistent, Message: "the account of worker c does not add up"}
		halted         = &run.Failure{Class: run.Stopped, Message: "worker d was told to stop everything"}
		leaseLost      = []tally.ReasonCount{{Reason: outcome.NotSentLeaseLost, Count: 2}}
		workerLost     = []tally.ReasonCount{{Reason: outcome.NotSentWorkerLost, Count: 2}}
		cancelledSlots = []tally.ReasonCount{{Reason: outcome.NotSentCancelled, Count: 2}}
		ranOut         = []tally.ReasonCount{{Reason: outcome.NotSentRunEnded, Count: 2}}
	)
	const byCaller = "the run was cancelled"
	for _, tt := range []struct {
		name       string
		counts     tally.Counts
		notSent    []tally.ReasonCount
		errors     []tally.ClassCount
		failures   []*run.Failure // by worker
		notStarted error
		cancelled  string
		stopped    string
		refused    string
		want       run.Verdict
		reason     string
	}{
		{name: "all answered", counts: whole, want: run.Passed},
		{name: "some answered", counts: tally.Counts{Planned: 10, Responses: 1, Errors: 9}, want: run.Passed},
		{name: "some not sent", counts: notSent, notSent: ranOut, want: run.Passed},
		{name: "workers that finished", counts: whole, failures: []*run.Failure{nil, nil}, want: run.Passed},

		{name: "no response", counts: onlyErrors, want: run.Failed, reason: "there was no response"},
		{name: "no slot", want: run.Failed, reason: "there was no response"},
		{name: "not started", counts: none, notStarted: errors.New("worker a refused: no room"), want: run.Failed, reason: "worker a refused: no room"},

		{name: "refused by a guard", counts: onlyErrors, refused: "stopped by the guard", want: run.Failed, reason: "stopped by the guard"},
		{name: "refused by a guard, with responses", counts: whole, refused: "stopped by the guard", want: run.Failed, reason: "stopped by the guard"},
		{name: "refused by a guard, and cancelled", counts: whole, refused: "stopped by the guard", cancelled: byCaller, want: run.Cancelled, reason: byCaller},
		{name: "refused by a guard, and unknown", counts: unknown, refused: "stopped by the guard", want: run.Incomplete, reason: "what became of 3 slots is unknown"},

		{name: "unknown", counts: unknown, want: run.Incomplete, reason: "what became of 3 slots is unknown"},
		{
			name: "a lost worker, and one that contradicts itself", counts: unknown, failures: []*run.Failure{nil, lost, lying},
			want: run.Incomplete, reason: "the account of worker c does not add up",
		},
		{
			name: "unknown slots of a lost worker", counts: unknown, failures: []*run.Failure{nil, lost},
			want: run.Incomplete, reason: "worker b was lost",
		},
		{
			name: "a lost worker whose slots are all accounted for", counts: whole, failures: []*run.Failure{nil, lost},
			want: run.Passed,
		},
		{
			name: "a worker that was told to stop everything", counts: notSent, notSent: cancelledSlots, failures: []*run.Failure{nil, halted},
			want: run.Incomplete, reason: "worker d was told to stop everything",
		},
		{
			name: "nobody was left for some slots", counts: notSent, notSent: workerLost, failures: []*run.Failure{lost},
			want: run.Incomplete, reason: "2 slots were not sent, since there was no worker for them: worker b was lost",
		},
		{
			name: "stopped for a lost worker", counts: notSent, notSent: cancelledSlots, failures: []*run.Failure{lost}, stopped: "on_worker_loss is FAIL",
			want: run.Incomplete, reason: "on_worker_loss is FAIL: worker b was lost",
		},
		{
			name: "a worker that contradicts itself", counts: whole, failures: []*run.Failure{lying},
			want: run.Incomplete, reason: "the account of worker c does not add up",
		},
		{
			name: "counts that do not add up", counts: open, want: run.Incomplete,
			reason: "the account does not add up: planned 10, pending 0, in flight 0, responses 9, errors 0, not sent 0, unknown 0",
		},
		{
			name: "a worker that shut down", counts: notSent, notSent: leaseLost,
			want: run.Incomplete, reason: "2 slots were not sent, since their workers stopped early",
		},
		{
			name: "a worker that shut down with all slots in flight", counts: tally.Counts{Planned: 10, Responses: 7, Errors: 3}, errors: cut,
			want: run.Incomplete, reason: "a worker stopped early, and cut 3 slots off",
		},
		{
			name: "unknown slots of a run that did not start", counts: unknown, notStarted: errors.New("worker a was late"),
			want: run.Incomplete, reason: "what became of 3 slots is unknown",
		},
		{
			name: "the coordinator shut down", counts: whole, cancelled: byCaller + ", since the coordinator shut down",
			want: run.Cancelled, reason: "the run was cancelled, since the coordinator shut down",
		},
		{
			name: "incomplete before failed", counts: tally.Counts{Planned: 10, Errors: 9, Unknown: 1},
			want: run.Incomplete, reason: "what became of 1 slots is unknown",
		},

		{name: "cancelled", counts: whole, cancelled: byCaller, want: run.Cancelled, reason: "the run was cancelled"},
		{
			name: "cancelled before incomplete", counts: unknown, failures: []*run.Failure{lost}, cancelled: byCaller,
			want: run.Cancelled, reason: "the run was cancelled; of 3 slots nobody can say what became of them",
		},
		{
			name: "cancelled before failed", counts: onlyErrors, cancelled: byCaller,
			want: run.Cancelled, reason: "the run was cancelled",
		},
		{
			name: "cancelled before its start", counts: none, notStarted: errCancelled, cancelled: byCaller,
			want: run.Cancelled, reason: "the run was cancelled before its start; nothing was sent",
		},
		{
			name: "cancelled when it would not have started", counts: none, notStarted: errors.New("worker a refused"), cancelled: byCaller,
			want: run.Cancelled, reason: "the run was cancelled before its start; nothing was sent",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &run.Run{Tally: &tally.Snapshot{Counts: tt.counts, NotSent: tt.notSent, Errors: tt.errors}}
			if tt.notStarted == nil {
				r.Started = time.Now()
			}
			for _, f := range tt.failures {
				r.Workers = append(r.Workers, run.WorkerResult{Failure: f})
			}
			if got, reason := judge(r, tt.cancelled, tt.stopped, tt.refused, tt.notStarted); got != tt.want || reason != tt.reason {
				t.Errorf("judge() = %v, %q, want %v, %q", got, reason, tt.want, tt.reason)
			}
		})
	}
}
