package runs

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// judge is the verdict on a run and one sentence on it: CANCELLED before INCOMPLETE before FAILED before PASSED. notStarted
// is why the run did not start, or nil; cancelled says that and why it was cancelled, or is "".
func judge(r *run.Run, slots int64, cancelled string, notStarted error) (run.Verdict, string) {
	counts := r.Tally.Counts
	switch {
	case cancelled != "":
		return run.Cancelled, cancelledReason(r, cancelled)
	case counts.Unknown > 0:
		return run.Incomplete, unknownReason(r, slots)
	case notStarted != nil:
		return run.Failed, notStarted.Error()
	}
	if message := failure(r); message != "" {
		return run.Incomplete, message
	}
	if !counts.Closed() {
		return run.Incomplete, "the account does not add up: " + counts.String()
	}
	if unsent, cut := notSent(r.Tally, outcome.NotSentLeaseLost), cutOff(r.Tally); unsent > 0 || cut > 0 {
		return run.Incomplete, fmt.Sprintf("a worker shut down: %d slots were not sent and %d were cut off", unsent, cut)
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

func unknownReason(r *run.Run, slots int64) string {
	atLeast := ""
	if slots == schedule.Unbounded {
		atLeast = "at least "
	}
	text := fmt.Sprintf("what became of %s%d slots is unknown", atLeast, r.Tally.Counts.Unknown)
	if message := failure(r); message != "" {
		return text + ": " + message
	}
	return text
}

// failure is why the first worker that did not finish its shard did not, "" if all did. A shard without `finished` is not
// finished, also when the rows that came account for each of its slots.
func failure(r *run.Run) string {
	for _, w := range r.Workers {
		if w.Failure != nil {
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

// cutOff is the slots that were in flight when their worker shut down.
func cutOff(t *tally.Snapshot) int64 {
	for _, e := range t.Errors {
		if e.Class == outcome.Shutdown {
			return e.Count
		}
	}
	return 0
}
