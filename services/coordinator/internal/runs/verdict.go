package runs

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// judge is the verdict on a run and one sentence on it: CANCELLED before INCOMPLETE before FAILED before PASSED. notStarted
// is why the run did not start, or nil.
func judge(r *run.Run, slots int64, cancelled bool, notStarted error) (run.Verdict, string) {
	counts := r.Tally.Counts
	switch {
	case cancelled:
		return run.Cancelled, cancelledReason(r)
	case notStarted != nil:
		return run.Failed, notStarted.Error()
	case counts.Unknown > 0:
		return run.Incomplete, unknownReason(r, slots)
	}
	if fault := inconsistency(r); fault != "" {
		return run.Incomplete, fault
	}
	if n := notSent(r.Tally, outcome.NotSentLeaseLost); n > 0 {
		return run.Incomplete, fmt.Sprintf("%d slots were not sent because their worker shut down", n)
	}
	if counts.Responses == 0 {
		return run.Failed, "there was no response"
	}
	return run.Passed, ""
}

func cancelledReason(r *run.Run) string {
	switch {
	case r.Started.IsZero():
		return "the run was cancelled before its start; nothing was sent"
	case r.Tally.Counts.Unknown > 0:
		return fmt.Sprintf("the run was cancelled; of %d slots nobody can say what became of them", r.Tally.Counts.Unknown)
	default:
		return "the run was cancelled"
	}
}

func unknownReason(r *run.Run, slots int64) string {
	atLeast := ""
	if slots == schedule.Unbounded {
		atLeast = "at least "
	}
	text := fmt.Sprintf("what became of %s%d slots is unknown", atLeast, r.Tally.Counts.Unknown)
	for _, w := range r.Workers {
		if w.Failure != nil {
			return text + ": " + w.Failure.Message
		}
	}
	return text
}

func inconsistency(r *run.Run) string {
	for _, w := range r.Workers {
		if w.Failure != nil && w.Failure.Class == run.Inconsistent {
			return fmt.Sprintf("the account of worker %s does not add up: %s", w.Address, w.Failure.Message)
		}
	}
	if !r.Tally.Counts.Closed() {
		return "the account does not add up: " + r.Tally.Counts.String()
	}
	return ""
}

func notSent(t *tally.Snapshot, reason outcome.Reason) int64 {
	for _, n := range t.NotSent {
		if n.Reason == reason {
			return n.Count
		}
	}
	return 0
}
