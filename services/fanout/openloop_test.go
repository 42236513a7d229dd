package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// openLoopReport is what is looked at of a run's JSON.
type openLoopReport struct {
	Verdict string
	Counts  struct{ Planned, Responses, NotSent int }
	NotSent []struct {
		Reason string
		Count  int
	}
	Plan struct {
		Load struct{ OpenLoop json.RawMessage }
	}
}

func reportOf(t *testing.T, got result) openLoopReport {
	t.Helper()
	var r openLoopReport
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitPassed {
		t.Fatalf("fanout run = exit %d, %v, %q, want 0 and JSON", got.code, err, got.err)
	}
	return r
}

// The load that the flags say is the load that is carried out, and the report says it again.
func TestStages(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	r := reportOf(t, command(t, "run", "--stage", "400ms:0..200", "--stage", "200ms:0", "--stage", "0.4:50", "-o", "json", o.URL()+"/ok"))
	const stages = `"stages":[{"ratePerSecond":0,"endRatePerSecond":200,"duration":0.4},{"ratePerSecond":0,"duration":0.2},{"ratePerSecond":50,"duration":0.4}]`
	if r.Counts.Planned != 60 || r.Counts.Responses != 60 || !strings.Contains(compact(t, r.Plan.Load.OpenLoop), stages) {
		t.Errorf("stages = %+v of %s, want 60 responses of %s", r.Counts, r.Plan.Load.OpenLoop, stages)
	}
	if n := o.Ledger().Total(); n != 60 {
		t.Errorf("the target saw %d requests, want 60", n)
	}
}

// The same seed is the same number of requests; it is not that of the rate.
func TestPoisson(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	args := []string{"run", "-q", "300", "-z", "500ms", "--poisson", "--seed", "4", "-o", "json", o.URL() + "/ok"}
	first, second := reportOf(t, command(t, args...)), reportOf(t, command(t, args...))
	if first.Counts != second.Counts || first.Counts.Planned == 150 || first.Counts.Planned != first.Counts.Responses {
		t.Errorf("two runs = %+v and %+v, want the same twice, about 150 responses", first.Counts, second.Counts)
	}
	if got := compact(t, first.Plan.Load.OpenLoop); !strings.Contains(got, `"poisson":{"seed":4}`) {
		t.Errorf("open loop = %s, want the seed in it", got)
	}
}

// Requests that wait for longer than they may are not sent, and both reports say why. That is no failure.
func TestMaxLateness(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	args := []string{"run", "-q", "100", "-n", "40", "-c", "1", "--max-lateness", "20ms", o.URL() + "/delay/100ms"}
	r := reportOf(t, command(t, append(args, "-o", "json")...))
	sent := int(o.Ledger().Total())
	if r.Counts.Planned != 40 || r.Counts.Responses != sent || r.Counts.NotSent != 40-sent || sent < 2 || sent > 8 {
		t.Errorf("counts = %+v, and the target saw %d, want 40 planned, few sent", r.Counts, sent)
	}
	if len(r.NotSent) != 1 || r.NotSent[0].Reason != "LATE" || r.NotSent[0].Count != 40-sent {
		t.Errorf("not sent = %+v, want %d LATE", r.NotSent, 40-sent)
	}
	if got := compact(t, r.Plan.Load.OpenLoop); !strings.Contains(got, `"maxLateness":0.02`) {
		t.Errorf("open loop = %s, want the patience in it", got)
	}
	if got := command(t, args...); got.code != exitPassed || !strings.Contains(got.out, "LATE") {
		t.Errorf("fanout run = exit %d, %q, want 0 and LATE", got.code, got.out)
	}
}

func compact(t *testing.T, text json.RawMessage) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(" ", "", "\n", "").Replace(string(text))
}
