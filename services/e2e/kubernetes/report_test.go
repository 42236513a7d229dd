package kubernetes

import (
	"encoding/json"
	"testing"

	"github.com/fanout-load/fanout/services/e2e/judging"
)

// report is the JSON report of a run, as far as the tests read it.
type report struct {
	ID            string
	Verdict       string
	VerdictReason string
	StartTime     string
	Counts        counts
	Errors        judging.Errors
	NotSent       []struct {
		Reason string
		Count  int64
	}
	ServiceTime, ResponseTime, Lateness struct{ Count int64 }
	Workers                             []workerResult
}

// workerResult is what a run's report says of a worker.
type workerResult struct {
	Address string
	Counts  counts
	Failure *struct{ Class, Message string }
}

// counts is where the slots of a run or of a worker are.
type counts struct {
	Planned, Pending, InFlight, Responses, Errors, NotSent, Unknown int64
}

// parse reads a JSON report.
func parse(t *testing.T, text string) *report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("the report is not JSON: %v\n%s", err, text)
	}
	return &r
}

// exitCodes is the exit code of each verdict.
var exitCodes = map[string]int{"PASSED": 0, "INCOMPLETE": 3, "FAILED": 99, "CANCELLED": 130}

// check holds a report of a run that has started against itself: every slot is in one cell, of the run and of a worker; histograms
// have as many entries as their counters; and no loss is called a success.
func (r *report) check(t *testing.T, code int) {
	t.Helper()
	c := r.Counts
	if c.Planned != c.Responses+c.Errors+c.NotSent+c.Unknown || c.Pending != 0 || c.InFlight != 0 {
		t.Errorf("counts do not add up, or have open slots at the end: %+v", c)
	}
	if want, ok := exitCodes[r.Verdict]; !ok || code != want && r.StartTime != "" {
		t.Errorf("exit code %d with verdict %s, want %d", code, r.Verdict, want)
	}
	lost := c.Unknown + r.notSentOf("LEASE_LOST") + r.notSentOf("WORKER_LOST")
	if lost > 0 && r.Verdict != "INCOMPLETE" && r.Verdict != "CANCELLED" {
		t.Errorf("verdict = %s of %+v, not sent %+v, want INCOMPLETE", r.Verdict, c, r.NotSent)
	}
	if r.ServiceTime.Count != c.Responses || r.ResponseTime.Count != c.Responses || r.Lateness.Count != c.Responses+c.Errors {
		t.Errorf("histograms have %d, %d and %d entries for %d responses and %d errors", r.ServiceTime.Count, r.ResponseTime.Count,
			r.Lateness.Count, c.Responses, c.Errors)
	}
	var sum counts
	for _, w := range r.Workers {
		sum.Responses += w.Counts.Responses
		sum.Errors += w.Counts.Errors
		sum.Unknown += w.Counts.Unknown
		if w.Failure != nil && w.Failure.Class == "INCONSISTENT" {
			t.Errorf("worker %s contradicts itself: %s", w.Address, w.Failure.Message)
		}
	}
	if sum.Responses != c.Responses || sum.Errors != c.Errors || sum.Unknown != c.Unknown {
		t.Errorf("the workers have %+v together, the run has %+v", sum, c)
	}
}

// exact checks that every slot of so many has a response, and nothing is wrong.
func (r *report) exact(t *testing.T, slots int64) {
	t.Helper()
	if r.Verdict != "PASSED" || r.Counts.Planned != slots || r.Counts.Responses != slots {
		t.Errorf("run = %s (%s), %+v, errors %+v, not sent %+v, workers %s, want PASSED and %d responses", r.Verdict, r.VerdictReason, r.Counts,
			r.Errors, r.NotSent, r.workers(), slots)
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

func (r *report) errorsOf(class string) int64 {
	for _, e := range r.Errors {
		if e.Class == class {
			return e.Count
		}
	}
	return 0
}

// responsesOf is how many responses the workers at an address had, all its lives together.
func (r *report) responsesOf(ip string) (n int64) {
	for _, w := range r.Workers {
		if host(w.Address) == ip {
			n += w.Counts.Responses
		}
	}
	return n
}

// shardOf is the shard of the worker at an address, at the run's start.
func (r *report) shardOf(t *testing.T, ip string) int64 {
	t.Helper()
	for k, w := range r.Workers {
		if host(w.Address) == ip {
			return int64(k)
		}
	}
	t.Fatalf("there is no worker at %s: %s", ip, r.workers())
	return 0
}

// workers is what the report says of the workers, for a message.
func (r *report) workers() string {
	text, err := json.Marshal(r.Workers)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
