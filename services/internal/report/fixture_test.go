package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

var update = flag.Bool("update", false, "write testdata/*.golden instead of comparing with them")

// golden compares got with testdata/name.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run go test -update if it should):\n--- got\n%s--- want\n%s", file, got, want)
	}
}

// checkShown fails when got has in it what must not reach a terminal, or is laid out badly. A width of 0 allows any.
func checkShown(t *testing.T, got string, width int) {
	t.Helper()
	if !strings.HasSuffix(got, "\n") || strings.HasSuffix(got, "\n\n") {
		t.Errorf("does not end in exactly one end of a line: %q", got)
	}
	for line := range strings.Lines(got) {
		line = strings.TrimSuffix(line, "\n")
		if at := strings.IndexFunc(line, hidden); at >= 0 {
			t.Errorf("hidden character at %d of %q", at, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("space at the end of %q", line)
		}
		if n := columns(line); width > 0 && n > width {
			t.Errorf("%d columns, want at most %d: %q", n, width, line)
		}
	}
}

var start = time.Date(2026, 3, 14, 9, 26, 53, 589_793_238, time.UTC)

// skewed is n durations around median with a long tail, the same ones each time.
func skewed(n int, median time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	state := uint64(1)
	for i := range all {
		state = state*6364136223846793005 + 1442695040888963407
		d := float64(median) * (0.7 + 0.6*float64(state>>40)/float64(1<<24))
		for tail := state >> 20 & 0xFFFF; tail > 0x8000; tail = tail << 1 & 0xFFFF {
			d *= 1.4
		}
		all[i] = time.Duration(d)
	}
	return all
}

func response(status int32, service, lateness time.Duration) *outcome.Outcome {
	return &outcome.Outcome{Status: status, Service: service, FirstByte: service * 9 / 10, Lateness: lateness, ReceivedBytes: 123}
}

func failed(class outcome.Class, message string) *outcome.Outcome {
	return &outcome.Outcome{Error: class, Message: message, Lateness: 20 * time.Microsecond, Service: time.Millisecond}
}

func notSent(reason outcome.Reason) *outcome.Outcome { return &outcome.Outcome{NotSent: reason} }

// snapshot is the tally of outcomes, with buckets, all of whose slots are planned.
func snapshot(outcomes ...*outcome.Outcome) *tally.Snapshot { return snapshotOf("", outcomes) }

func snapshotOf(group string, outcomes []*outcome.Outcome) *tally.Snapshot {
	var t tally.Tally
	for _, o := range outcomes {
		t.Add(o, group)
	}
	t.Counts.Planned = t.Counts.Settled()
	return t.Snapshot(true)
}

// plain is n responses.
func plain(n int, median time.Duration) []*outcome.Outcome {
	var all []*outcome.Outcome
	for i, d := range skewed(n, median) {
		all = append(all, response(200, d, time.Duration(i%40)*time.Microsecond))
	}
	return all
}

// passed is a run of which everything came back.
func passed() *run.Run {
	return &run.Run{
		ID:      "r-01jpk4m2",
		Plan:    &plan.Plan{Requests: []plan.Request{{URL: "http://127.0.0.1:8080/inc", Method: "GET", Weight: 1}}, Load: plan.Load{Requests: 10_000}},
		State:   run.Ended,
		Verdict: run.Passed,
		Created: start.Add(-time.Second),
		Started: start,
		Ended:   start.Add(1240 * time.Millisecond),
		Tally:   snapshot(plain(10_000, 1200*time.Microsecond)...),

		LimitedBy: run.ByTarget, LimitedReason: "all requests were sent at once",
	}
}

// lossy is a run in which everything that can happen did, over three workers of which one was lost.
func lossy() *run.Run {
	quick, slow := plain(4_000, 900*time.Microsecond), plain(3_000, 8*time.Millisecond)
	for _, o := range quick[:40] {
		o.Status = 404
	}
	bad := []*outcome.Outcome{
		failed(outcome.ConnReset, "read tcp 10.0.0.9:443: connection reset by peer"),
		failed(outcome.ConnReset, "read tcp 10.0.0.8:443: connection reset by peer"),
		failed(outcome.DialRefused, "dial tcp 10.0.0.9:443: connect: connection refused"),
		notSent(outcome.NotSentRunEnded), notSent(outcome.NotSentRunEnded), notSent(outcome.NotSentLeaseLost), notSent(outcome.NotSentWorkerLost),
		failed(outcome.LeaseLost, "the worker's lease ended"),
	}
	var all tally.Tally
	for _, o := range quick {
		all.Add(o, "browse")
	}
	for _, o := range append(slow, bad...) {
		all.Add(o, "check out")
	}
	all.Counts.Unknown = 12
	all.Counts.Planned = all.Counts.Settled() + all.Counts.Unknown
	all.SentBytes = 12_345
	all.Folded, all.Lost, all.Stalled = 1, 2, 340*time.Millisecond
	early, late, spread := -1500*time.Microsecond, 2*time.Millisecond, 3500*time.Microsecond
	lost := &tally.Snapshot{Counts: tally.Counts{Planned: 12, Unknown: 12}}
	return &run.Run{
		ID: "r-01jpk4m3", Name: "nightly", Creator: "spiffe://fanout.test/ann", Labels: map[string]string{"team": "checkout", "env": "staging"},
		Plan:    &plan.Plan{Load: plan.Load{Requests: all.Counts.Planned}},
		State:   run.Ended,
		Verdict: run.Incomplete,
		Reason:  "Worker 10.0.0.13:7070 was lost: its stream ended before it was finished.",
		Created: start,
		Started: start.Add(time.Second),
		Ended:   start.Add(92 * time.Second),
		Tally:   all.Snapshot(true),

		OnWorkerLoss: run.Continue, StartSpread: &spread,
		Workers: []run.WorkerResult{
			{Address: "10.0.0.11:7070", InstanceID: "w-1", Tally: snapshot(quick...), StartOffset: &early},
			{
				Address: "10.0.0.12:7070", InstanceID: "w-2", Tally: snapshot(append(slow, bad...)...), StartOffset: &late,
				Effort: &run.Effort{CPUShare: 0.5, Senders: 8, GrantWait: 250 * time.Millisecond},
			},
			{
				Address: "10.0.0.13:7070", InstanceID: "w-3", Tally: lost,
				Failure: &run.Failure{Class: run.Lost, Message: "rpc error: code = Unavailable desc = error reading from server: EOF"},
			},
		},
	}
}

// refused is a run that never started.
func refused() *run.Run {
	return &run.Run{
		ID: "r-01jpk4m4", Plan: &plan.Plan{Load: plan.Load{Requests: 50_000}}, State: run.Ended, Verdict: run.Failed,
		Reason:  "worker 10.0.0.12:7070 refused its shard: concurrency 20,000 is beyond its cap of 16,384",
		Created: start, Ended: start.Add(30 * time.Millisecond),
		Tally: &tally.Snapshot{
			Counts:  tally.Counts{Planned: 50_000, NotSent: 50_000},
			NotSent: []tally.ReasonCount{{Reason: outcome.NotSentRunEnded, Count: 50_000}},
		},
	}
}

// byTime is a closed loop ended by its duration, in which a worker was lost. (That a schedule limited it is not true, but has to be shown.)
func byTime() *run.Run {
	r := passed()
	r.Plan.Load = plan.Load{Duration: 10 * time.Second, ClosedLoop: &plan.ClosedLoop{Concurrency: 50}}
	r.Verdict, r.Reason = run.Incomplete, "Worker 10.0.0.12:7070 was lost."
	r.LimitedBy, r.LimitedReason = run.BySchedule, ""
	r.Tally.Counts.Unknown, r.Tally.Counts.Planned = 1, r.Tally.Counts.Planned+1
	return r
}

// article is the run that fanout grew from: ten requests at once, to a server that sleeps up to 200 ms.
func article() *run.Run {
	r := passed()
	var outcomes []*outcome.Outcome
	for i, ms := range []int{12, 31, 48, 77, 90, 104, 131, 150, 171, 190} {
		outcomes = append(outcomes, response(200, time.Duration(ms)*time.Millisecond+417*time.Microsecond, time.Duration(i)*time.Microsecond))
	}
	r.Tally, r.Ended = snapshot(outcomes...), start.Add(191*time.Millisecond)
	return r
}

const evil = "a\x1b[31mred\x1b[0m\rb\u202Ec\u200d\u0085\xff\nd"

// hostile is a run in which every string tries to act on the terminal.
func hostile() *run.Run {
	r := lossy()
	r.ID, r.Name, r.Creator, r.Labels, r.Reason = evil, evil, evil, map[string]string{evil: evil}, evil
	r.Tally.Errors[0].Examples = []string{evil, strings.Repeat("漢字", 100)}
	r.Tally.Groups[evil] = r.Tally.Groups["browse"]
	r.Tally.Groups[strings.Repeat("long", 16)] = r.Tally.Groups["browse"]
	r.Workers[0].Address, r.Workers[0].InstanceID = evil, evil
	r.Workers[2].Failure.Message = evil
	return r
}
