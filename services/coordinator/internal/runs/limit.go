package runs

import (
	"fmt"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// The bounds beyond which it is the generator that limits a run. fanout.v1.LimitedBy tells callers.
const (
	// maxCPUShare leaves the kernel and the other processes a tenth: beyond it requests wait for a core.
	maxCPUShare = 0.9
	// minMeasured is the shortest run of which a share of the CPU says anything.
	minMeasured = time.Second
	// maxStalled is the part of a run's time in which senders may wait for the stream, or for grants.
	maxStalled = 0.01
	// maxLateness is how late an open loop may be at the 99th percentile: what a user of the target would not notice.
	maxLateness = 10 * time.Millisecond
	// maxHeldBack is the part of the slots that may wait for a sender because all are busy; beyond it lateness is the doing of the
	// target, and of whoever bounded the senders.
	maxHeldBack = 0.01
	// maxUnsent is the part of the slots that may be given up, LATE or RUN_ENDED: they have no lateness that a percentile could
	// show.
	maxUnsent = 0.01
)

// limit is what limited a run that has ended, and one sentence on it.
func limit(r *run.Run) (run.LimitedBy, string) {
	c := r.Tally.Counts
	if c.Responses+c.Errors == 0 {
		return run.NoLimit, ""
	}
	if reason := generator(r); reason != "" {
		return run.ByGenerator, reason
	}
	if c.Responses == 0 {
		return run.NoLimit, ""
	}
	switch load := r.Plan.Load; {
	case load.AllAtOnce():
		return run.ByTarget, "all requests were sent at once"
	case load.OpenLoop == nil:
		return run.ByTarget, "the next request was sent when the target had answered"
	}
	late := offSchedule(r.Tally)
	all, capped, senders := heldBack(r)
	bound := maxHeldBack * float64(c.Planned)
	switch {
	case late == "" && isCutShort(r.Tally):
		return run.NoLimit, ""
	case late == "":
		return run.BySchedule, ""
	case float64(all) <= bound:
		return run.ByGenerator, late + ", although senders were free"
	case float64(capped) > bound:
		return run.ByGenerator, fmt.Sprintf("%s: %d of %d slots waited for a sender, and a worker could have no more than %d",
			late, capped, c.Planned, senders)
	default:
		return run.ByTarget, fmt.Sprintf("%d of %d slots waited for a sender, all of which were busy with the target", all, c.Planned)
	}
}

// isCutShort reports whether a run was not carried out to its end.
func isCutShort(t *tally.Snapshot) bool {
	cut := t.Counts.Unknown + cutOff(t)
	for _, reason := range []outcome.Reason{outcome.NotSentCancelled, outcome.NotSentLeaseLost, outcome.NotSentWorkerLost, outcome.NotSentPolicyBlocked} {
		cut += notSent(t, reason)
	}
	return cut > 0
}

// generator is what the generator lacked, whatever the load; "" if nothing.
func generator(r *run.Run) string {
	elapsed := r.Ended.Sub(r.Started)
	for _, w := range r.Workers {
		if w.Effort != nil && elapsed >= minMeasured && w.Effort.CPUShare >= maxCPUShare {
			return fmt.Sprintf("worker %s used %.0f%% of its cores", w.Address, w.Effort.CPUShare*100)
		}
	}
	if n, class := localFaults(r.Tally); n > 0 {
		return fmt.Sprintf("%d slots failed for want of the generator's own resources: %v", n, class)
	}
	for _, w := range r.Workers {
		if w.Effort != nil && elapsed > 0 && !isCutShort(r.Tally) && float64(w.Effort.GrantWait) > maxStalled*float64(elapsed) {
			return fmt.Sprintf("senders of worker %s waited %v for the coordinator to grant slots", w.Address, w.Effort.GrantWait.Round(time.Millisecond))
		}
	}
	for _, w := range r.Workers {
		if w.Tally != nil && elapsed > 0 && float64(w.Tally.Stalled) > maxStalled*float64(elapsed) {
			return fmt.Sprintf("senders of worker %s waited %v for the stream to the coordinator", w.Address, w.Tally.Stalled.Round(time.Millisecond))
		}
	}
	return ""
}

// offSchedule is how an open loop was not carried out as written; "" if it was.
func offSchedule(t *tally.Snapshot) string {
	if n := notSent(t, outcome.NotSentLate) + notSent(t, outcome.NotSentRunEnded); float64(n) > maxUnsent*float64(t.Counts.Planned) {
		return fmt.Sprintf("%d of %d slots were not sent in time", n, t.Counts.Planned)
	}
	if p99 := t.Lateness.P99; p99 > maxLateness {
		return fmt.Sprintf("the 99th percentile of lateness is %v", p99.Round(10*time.Microsecond))
	}
	return ""
}

// localFaults is the slots that the generator's own machine failed, and the class of most of them.
func localFaults(t *tally.Snapshot) (n int64, class outcome.Class) {
	for _, e := range t.Errors {
		switch e.Class {
		case outcome.LocalFiles, outcome.LocalPorts, outcome.LocalMemory, outcome.LocalDenied:
			if n == 0 {
				class = e.Class // the most frequent one comes first
			}
			n += e.Count
		}
	}
	return n, class
}

// heldBack is the slots that found no sender free, of all workers, those of them for which the worker could have no more, and the
// most senders that one worker had.
func heldBack(r *run.Run) (all, capped, senders int64) {
	for _, w := range r.Workers {
		if w.Effort != nil {
			all += w.Effort.HeldBack
			capped += w.Effort.Capped
			senders = max(senders, w.Effort.Senders)
		}
	}
	return all, capped, senders
}
