package runs

import (
	"cmp"
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// judge is the verdict on a run and one sentence on it: CANCELLED before INCOMPLETE before FAILED before PASSED. notStarted
// is why the run did not start, or nil; cancelled says that and why it was cancelled, or is ""; stopped is why it was stopped though
// nobody cancelled it, or ""; refused is the same of a run that an egress guard ended.
func judge(r *run.Run, cancelled, stopped, refused string, notStarted error) (run.Verdict, string) {
	counts := r.Tally.Counts
	switch {
	case cancelled != "":
		return run.Cancelled, cancelledReason(r, cancelled)
	case stopped != "":
		return run.Incomplete, withLoss(r, stopped)
	case counts.Unknown > 0:
		return run.Incomplete, cmp.Or(loss(r), fmt.Sprintf("what became of %d slots is unknown", counts.Unknown))
	case notStarted != nil:
		return run.Failed, notStarted.Error()
	}
	for _, class := range []run.FailureClass{run.Inconsistent, run.Stopped} {
		if message := failure(r, class); message != "" {
			return run.Incomplete, message
		}
	}
	if !counts.Closed() {
		return run.Incomplete, "the account does not add up: " + counts.String()
	}
	if n := notSent(r.Tally, outcome.NotSentWorkerLost); n > 0 {
		if failure(r, run.Lost) == "" {
			return run.Incomplete, fmt.Sprintf("%d slots were not sent: the coordinator was away for longer than its workers go on without it", n)
		}
		return run.Incomplete, withLoss(r, fmt.Sprintf("%d slots were not sent, since there was no worker for them", n))
	}
	if n := notSent(r.Tally, outcome.NotSentLeaseLost); n > 0 {
		return run.Incomplete, withLoss(r, fmt.Sprintf("%d slots were not sent, since their workers stopped early", n))
	}
	if n := cutOff(r.Tally); n > 0 {
		return run.Incomplete, withLoss(r, fmt.Sprintf("a worker stopped early, and cut %d slots off", n))
	}
	if refused != "" {
		return run.Failed, refused
	}
	if counts.Responses == 0 {
		return run.Failed, "there was no response"
	}
	return run.Passed, ""
}

func cancelledReason(r *run.Run, why string) string {
	switch {
	case r.Started.IsZero() && r.Tally.Counts.Unknown == 0:
		return why + " before its start; nothing was sent"
	case r.Tally.Counts.Unknown > 0:
		return fmt.Sprintf("%s; of %d slots nobody can say what became of them", why, r.Tally.Counts.Unknown)
	default:
		return why
	}
}

// withLoss is the text with the first worker that contradicted itself or was lost.
func withLoss(r *run.Run, text string) string {
	if message := loss(r); message != "" {
		return text + ": " + message
	}
	return text
}

// loss is what became of the first worker that contradicted itself or was lost, "" if there is none.
func loss(r *run.Run) string { return cmp.Or(failure(r, run.Inconsistent), failure(r, run.Lost)) }

// failure is why the first worker failed that failed in this way, "" if none did.
func failure(r *run.Run, class run.FailureClass) string {
	for _, w := range r.Workers {
		if w.Failure != nil && w.Failure.Class == class {
			return w.Failure.Message
		}
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

// cutOff is the slots that were in flight when their worker shut down, or its lease ended.
func cutOff(t *tally.Snapshot) (n int64) {
	for _, e := range t.Errors {
		if e.Class == outcome.Shutdown || e.Class == outcome.LeaseLost {
			n += e.Count
		}
	}
	return n
}
