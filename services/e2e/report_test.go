package e2e

import (
	"slices"
	"testing"
)

// exitCodes is the exit code of each verdict.
var exitCodes = map[string]int{"PASSED": 0, "INCOMPLETE": 3, "FAILED": 99, "CANCELLED": 130}

// check holds a report of a run that has started against itself: every slot is in one cell, of the run and of a worker; histograms
// have as many entries as their counters; and no loss is called a success.
func (r *report) check(t *testing.T, code int) {
	t.Helper()
	if want, ok := exitCodes[r.Verdict]; !ok || code != want && r.StartTime != "" {
		t.Errorf("exit code %d with verdict %s, want %d", code, r.Verdict, want)
	}
	lost := r.Counts.Unknown + r.notSentOf("LEASE_LOST") + r.notSentOf("WORKER_LOST")
	if lost > 0 && r.Verdict != "INCOMPLETE" && r.Verdict != "CANCELLED" {
		t.Errorf("verdict = %s of %+v, not sent %+v, want INCOMPLETE", r.Verdict, r.Counts, r.NotSent)
	}
	c := r.Counts
	if r.ServiceTime.Count != c.Responses || r.ResponseTime.Count != c.Responses || r.FirstByteTime.Count != c.Responses || r.Lateness.Count != c.Responses+c.Errors {
		t.Errorf("histograms have %d, %d, %d and %d entries for %d responses and %d errors", r.ServiceTime.Count, r.ResponseTime.Count,
			r.FirstByteTime.Count, r.Lateness.Count, c.Responses, c.Errors)
	}
	if s := r.ServiceTime; s.Count > 0 && !slices.IsSorted([]float64{s.Min, s.P50, s.P99, s.Max}) {
		t.Errorf("service times are out of order: %+v", s)
	}
	var sum struct{ responses, errors, unknown, notSent int64 }
	for _, w := range r.Workers {
		sum.responses += w.Counts.Responses
		sum.errors += w.Counts.Errors
		sum.unknown += w.Counts.Unknown
		sum.notSent += w.Counts.NotSent
		if w.Failure != nil && w.Failure.Class == "INCONSISTENT" {
			t.Errorf("worker %s contradicts itself: %s", w.Address, w.Failure.Message)
		}
	}
	if sum.responses != c.Responses || sum.errors != c.Errors || sum.unknown != c.Unknown || sum.notSent > c.NotSent {
		t.Errorf("the workers have %+v together, the run has %+v", sum, c)
	}
}

// exact checks that every slot of so many has a response, and nothing is wrong.
func (r *report) exact(t *testing.T, slots int64) {
	t.Helper()
	if r.Verdict != "PASSED" || r.Counts.Planned != slots || r.Counts.Responses != slots {
		t.Errorf("run = %s (%s), %+v, errors %+v, not sent %+v, want PASSED and %d responses", r.Verdict, r.VerdictReason, r.Counts, r.Errors, r.NotSent, slots)
	}
}

func (r *report) notSentOf(reason string) int64 {
	for _, n := range r.NotSent {
		if n.Reason == reason {
			return n.Count
		}
	}
	return 0
}

// lost is the worker at the address if it was lost; otherwise the test fails.
func (r *report) lost(t *testing.T, address string) {
	t.Helper()
	for _, w := range r.Workers {
		if w.Address == address && w.Failure != nil && w.Failure.Class == "LOST" {
			return
		}
	}
	t.Errorf("worker %s was not lost: %+v", address, r.Workers)
}

// sendersOf is how many senders the worker had at most.
func (r *report) sendersOf(address string) int64 {
	for _, w := range r.Workers {
		if w.Address == address {
			return w.Effort.SenderCount
		}
	}
	return 0
}
