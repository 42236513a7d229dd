package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestGrantedOf(t *testing.T) {
	t.Parallel()
	r, err := parseReport([]byte(`{"counts": {"planned": 200, "responses": 200}, "limitedBy": "GENERATOR", "limitedReason": "busy",
		"workers": [{"effort": {"cpuShare": 0.5, "grantWaitDuration": 0.25}}, {"effort": {"cpuShare": 0.75, "grantWaitDuration": 0.125}}, {}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := granted{perSecond: 100, wait: time.Second / 4, elapsed: 2 * time.Second, cpu: 0.75, limited: "GENERATOR: busy"}
	if got := grantedOf(r, 2*time.Second); got != want {
		t.Errorf("grantedOf = %+v, want %+v", got, want)
	}
}

func TestTableOfGrants(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	all := make([][]granted, len(grantCases))
	for i := range all {
		all[i] = []granted{
			{perSecond: 50_000, elapsed: time.Second, cpu: 0.5, limited: "TARGET"},
			{perSecond: 40_000, elapsed: time.Second, cpu: 0.5, limited: "GENERATOR", wait: 20 * time.Millisecond},
		}
	}
	l.tableOfGrants(all)
	if text := l.section(part{}); !strings.Contains(text, "| 2       | SQLite | GENERATOR  |     45,000 |                20.000 |         2.000 |                 50 % |") {
		t.Errorf("the section does not have the worst wait and the median rate:\n%s", text)
	}
}

// hoardRun is a run that has ended, of a fast and a slow worker.
func hoardRun(responses int64) *fanoutv1.Run {
	return &fanoutv1.Run{
		Verdict: fanoutv1.Verdict_VERDICT_PASSED,
		Tally:   &fanoutv1.Tally{Counts: &fanoutv1.Counts{Planned: 100, Responses: responses}},
		Workers: []*fanoutv1.WorkerResult{
			{Address: "slow", Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Pending: 1, InFlight: 2, Responses: 3, Errors: 4, NotSent: 5}}},
			{Address: "fast", Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Responses: 85}}},
		},
	}
}

func TestHandsOf(t *testing.T) {
	t.Parallel()
	got := handsOf(hoardRun(100), "fast", time.Second)
	if want := (hands{at: time.Second, fast: hand{settled: 85}, slow: hand{1, 2, 12}}); got != want {
		t.Errorf("handsOf = %+v, want %+v", got, want)
	}
}

func TestHoardFrom(t *testing.T) {
	t.Parallel()
	all := []hands{
		{at: time.Second, fast: hand{settled: 40}, slow: hand{pending: 9, settled: 1}},
		{at: 2 * time.Second, fast: hand{settled: 85}, slow: hand{pending: 5, settled: 10}},
		{at: 3 * time.Second, fast: hand{settled: 85}, slow: hand{settled: 15}},
	}
	h, err := hoardFrom(all, hoardRun(100))
	if want := (hoard{fast: 85, slow: 15, fastTook: 2 * time.Second, pending: 5, wentOn: time.Second}); h != want || err != nil {
		t.Fatalf("hoardFrom = %+v, %v, want %+v", h, err, want)
	}
	if got := h.ownSeconds(); got != 1 {
		t.Errorf("ownSeconds() = %v, want 1: five slots at ten in two seconds", got)
	}
	if got := (hoard{slow: 5, pending: 5}).ownSeconds(); got != 0 {
		t.Errorf("ownSeconds() of a worker without a rate = %v", got)
	}
	if _, err := hoardFrom(all, hoardRun(99)); err == nil {
		t.Error("a run with a slot that is no response has no error")
	}
	if _, err := hoardFrom(nil, hoardRun(100)); err == nil {
		t.Error("a run that nobody looked at has no error")
	}
}

// The leases of a worker that plays one take their slots once, and are held until they are released.
func TestPlayedLeases(t *testing.T) {
	t.Parallel()
	p := newPlayed()
	if _, err := p.open(&fanoutv1.Shard{RunId: "run"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("open without a lease_duration = %v", err)
	}
	l, err := p.open(leasedShard(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.open(leasedShard(l.id)); status.Code(err) != codes.NotFound {
		t.Errorf("open of a lease that is held = %v, want none to attach to", err)
	}
	renewal := &fanoutv1.RenewLeaseRequest{LeaseId: l.id, Grants: []*fanoutv1.Grant{{Stride: 1, Count: 7}}, StartClockNanos: 1}
	for range 2 { // what is repeated does nothing
		answer, err := p.RenewLease(t.Context(), renewal)
		if err != nil || answer.GetGrantedCount() != 7 || answer.GetState() != fanoutv1.LeaseState_LEASE_STATE_ACTIVE || answer.GetClockNanos() == 0 {
			t.Errorf("RenewLease = %v, %v, want 7 slots of an active lease", answer, err)
		}
	}
	if grants, err := p.await(t.Context(), l); err != nil || len(grants) != 1 || grants[0].GetCount() != 7 {
		t.Errorf("await = %v, %v, want the grant", grants, err)
	}
	for _, want := range []codes.Code{codes.OK, codes.NotFound} {
		if _, err := p.RenewLease(t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: l.id, Release: true}); status.Code(err) != want {
			t.Errorf("the release ends with %v, want %v", err, want)
		}
	}
}
