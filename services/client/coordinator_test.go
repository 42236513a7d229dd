package client_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
)

// watch watches a run to its end.
func watch(t *testing.T, c *client.Coordinator, id string) *run.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	final, err := c.Watch(ctx, id, func(*run.Run) {})
	if err != nil {
		t.Fatalf("Watch() = %v, want the run's end", err)
	}
	return final
}

func create(t *testing.T, c *client.Coordinator, p *plan.Plan) *run.Run {
	t.Helper()
	created, err := c.Create(t.Context(), run.NewRun{Plan: p})
	if err != nil {
		t.Fatalf("Create() = %v, want a run", err)
	}
	return created
}

// A run goes from Create to its report, and each of its slots is there once.
func TestRun(t *testing.T) {
	t.Parallel()
	const n = 500
	o, c := startOracle(t), startCoordinator(t)
	labels := map[string]string{"commit": "abc"}
	created, err := c.Create(t.Context(), run.NewRun{Plan: closedLoop(o.URL()+"/ok", n, 8), Name: "nightly", Labels: labels})
	if err != nil {
		t.Fatalf("Create() = %v, want a run", err)
	}
	if created.ID == "" || created.Name != "nightly" || !maps.Equal(created.Labels, labels) || created.Created.IsZero() {
		t.Errorf("Create() = %+v, want an id, what was written on it, and a time", created)
	}
	final := watch(t, c, created.ID)
	if final.ID != created.ID || final.Name != "nightly" || !maps.Equal(final.Labels, labels) {
		t.Errorf("Watch() = run %q, %q, %v, want run %q as it was created", final.ID, final.Name, final.Labels, created.ID)
	}
	if final.State != run.Ended || final.Verdict != run.Passed || final.Reason != "" || len(final.Workers) != 1 {
		t.Errorf("Watch() = %v, %v, %q, %d workers, want ENDED, PASSED, one worker", final.State, final.Verdict, final.Reason, len(final.Workers))
	}
	if counts := final.Tally.Counts; counts.Planned != n || counts.Responses != n {
		t.Errorf("Watch() = %v, want %d responses", counts, n)
	}
	if final.Tally.Service.Count != n || len(final.Tally.Service.Buckets) == 0 {
		t.Errorf("service time = %d values, %d bytes of buckets, want %d, and buckets", final.Tally.Service.Count, len(final.Tally.Service.Buckets), n)
	}
	if key, most := o.Ledger().MaxPerSlot(); o.Ledger().Total() != n || most != 1 {
		t.Errorf("the target saw %d requests, %s %d times, want %d, each once", o.Ledger().Total(), key, most, n)
	}
	found, err := c.Find(t.Context(), created.ID)
	if err != nil || found.Tally.Counts != final.Tally.Counts || !slices.Equal(found.Tally.Service.Buckets, final.Tally.Service.Buckets) {
		t.Errorf("Find() = %+v, %v, want the run as Watch returned it", found, err)
	}
}

// Watch calls back with what never goes back, without buckets, up to the run's end.
func TestWatchCallsBack(t *testing.T) {
	t.Parallel()
	o, c := startOracle(t), startCoordinator(t)
	created := create(t, c, closedLoop(o.URL()+"/delay/10ms", 300, 4))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var all []*run.Run
	final, err := c.Watch(ctx, created.ID, func(r *run.Run) { all = append(all, r) })
	if err != nil {
		t.Fatalf("Watch() = %v, want the run's end", err)
	}
	last := all[len(all)-1]
	if last.State != run.Ended || last.Verdict != final.Verdict || last.Tally.Counts != final.Tally.Counts {
		t.Errorf("the last callback = %v, %v, %v, want the end as it was returned", last.State, last.Verdict, last.Tally.Counts)
	}
	states := map[run.State]bool{}
	state, settled := run.Starting, int64(0)
	for i, r := range all {
		counts := r.Tally.Counts
		if r.State < state || counts.Settled() < settled {
			t.Errorf("callback %d = %v, %v, want it not before %v with %d settled", i, r.State, counts, state, settled)
		}
		if r.ID != created.ID || counts.Planned != 300 || !counts.Closed() {
			t.Errorf("callback %d = run %s, %v, want run %s, 300 planned, a closed account", i, r.ID, counts, created.ID)
		}
		if len(r.Tally.Service.Buckets) != 0 {
			t.Errorf("callback %d = %d bytes of buckets, want none", i, len(r.Tally.Service.Buckets))
		}
		state, settled = r.State, counts.Settled()
		states[state] = true
	}
	if !states[run.Running] || !states[run.Ended] {
		t.Errorf("states of the callbacks = %v, want RUNNING and ENDED among them", states)
	}
}

// Cancel ends a run cleanly, whoever watches it.
func TestCancel(t *testing.T) {
	t.Parallel()
	o, c := startOracle(t), startCoordinator(t)
	created := create(t, c, closedLoop(o.URL()+"/delay/5ms", 0, 4))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cancelled := false
	final, err := c.Watch(ctx, created.ID, func(r *run.Run) {
		if r.Tally.Counts.Responses > 0 && !cancelled {
			cancelled = true
			if err := c.Cancel(ctx, created.ID); err != nil {
				t.Errorf("Cancel() = %v, want no error", err)
			}
		}
	})
	if err != nil {
		t.Fatalf("Watch() = %v, want the run's end", err)
	}
	if counts := final.Tally.Counts; final.Verdict != run.Cancelled || counts.Unknown != 0 || counts.Responses+counts.Errors != o.Ledger().Total() {
		t.Errorf("Watch() = %v, %v, want CANCELLED, nothing unknown, and the %d that the target saw", final.Verdict, counts, o.Ledger().Total())
	}
	if err := c.Cancel(t.Context(), created.ID); err != nil {
		t.Errorf("Cancel() of a run that has ended = %v, want no error", err)
	}
}

// A repeated request is the same run; another with its id is refused.
func TestCreateAgain(t *testing.T) {
	t.Parallel()
	o, c := startOracle(t), startCoordinator(t)
	about := run.NewRun{RequestID: "once", Plan: closedLoop(o.URL()+"/ok", 5, 1)}
	var ids []string
	for range 2 {
		created, err := c.Create(t.Context(), about)
		if err != nil {
			t.Fatalf("Create() = %v, want a run", err)
		}
		ids = append(ids, created.ID)
	}
	if ids[0] != ids[1] {
		t.Errorf("Create() twice = runs %v, want one", ids)
	}
	about.Plan = closedLoop(o.URL()+"/ok", 6, 1)
	_, err := c.Create(t.Context(), about)
	wantCode(t, "Create() with another plan", err, codes.AlreadyExists)
	watch(t, c, ids[0])
	if n := o.Ledger().Total(); n != 5 {
		t.Errorf("the target saw %d requests, want 5", n)
	}
}

// What is wrong with a plan comes back whole.
func TestCreateOfABadPlan(t *testing.T) {
	t.Parallel()
	c := startCoordinator(t)
	_, err := c.Create(t.Context(), run.NewRun{Plan: urls("ftp://a.test/", "http://")})
	if !rpcerr.IsInvalid(err) {
		t.Errorf("Create() = %v, want InvalidArgument", err)
	}
	var fields []string
	for _, v := range rpcerr.Violations(err) {
		fields = append(fields, v.Field)
	}
	if want := []string{"plan.requests[0].url", "plan.requests[1].url"}; !slices.Equal(fields, want) {
		t.Errorf("Create() = violations of %q, want %q", fields, want)
	}
}

func TestUnknownRun(t *testing.T) {
	t.Parallel()
	c := startCoordinator(t)
	_, err := c.Find(t.Context(), "r-none")
	wantCode(t, "Find()", err, codes.NotFound)
	wantCode(t, "Cancel()", c.Cancel(t.Context(), "r-none"), codes.NotFound)
	_, err = c.Watch(t.Context(), "r-none", func(r *run.Run) { t.Errorf("Watch() called back with %+v, want no call", r) })
	wantCode(t, "Watch()", err, codes.NotFound)
}
