package verify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// book is a run of ten slots over two workers, as it was stored: in each of two seconds each of them answered some.
type book struct {
	report  *run.Run
	shards  []*tally.Tally
	grants  []store.Grant
	next    int64
	givenUp int64
	seconds []*tally.Tally
	first   int64 // second
}

func newBook() *book {
	b := &book{next: 10, seconds: []*tally.Tally{{}, {}}}
	total := new(tally.Tally)
	for k := range 2 {
		t := new(tally.Tally)
		for i := range 5 {
			o := outcome.Outcome{Slot: int64(2*i + k), Status: 200, Service: time.Duration(i+1) * time.Millisecond, Due: time.Duration(i/3) * time.Second}
			if i == 4 {
				o = outcome.Outcome{Slot: o.Slot, Error: outcome.ConnReset, Due: time.Second}
			}
			t.Add(&o, "")
			t.Records++
			b.seconds[o.Second()].Add(&o, "")
		}
		t.Counts.Planned = 5
		b.shards = append(b.shards, t)
		b.grants = append(b.grants, store.Grant{Shard: k, Grant: schedule.Grant{First: int64(k), Stride: 2, Count: 5}})
		total.Merge(t)
	}
	b.report = &run.Run{
		ID: "r-1", State: run.Ended, Verdict: run.Passed, Tally: total.Snapshot(true),
		Plan: &plan.Plan{
			Requests: []plan.Request{{URL: "http://a.test/", Method: "GET", Weight: 1, Timeout: time.Second}},
			Load:     plan.Load{Requests: 10, ClosedLoop: &plan.ClosedLoop{Concurrency: 2}},
		},
	}
	for _, t := range b.shards {
		b.report.Workers = append(b.report.Workers, run.WorkerResult{Address: "worker", Tally: t.Snapshot(false)})
	}
	return b
}

// Intervals implements Seconds.
func (b *book) Intervals(_ context.Context, _ string, from int64, n int) (page []store.Interval, more bool, err error) {
	for i, t := range b.seconds {
		second := b.first + int64(i)
		if second < from {
			continue
		}
		if len(page) == n {
			return page, true, nil
		}
		encoded, err := wire.EncodeSnapshot(t.Snapshot(false))
		if err != nil {
			return nil, false, err
		}
		page = append(page, store.Interval{Second: second, Tally: encoded})
	}
	return page, false, nil
}

// verify is the names of the checks that do not hold, and what they say.
func (b *book) verify(t *testing.T) (failed []string, details string) {
	t.Helper()
	stored := &store.Run{Head: store.Head{ID: "r-1", Next: b.next, GivenUp: b.givenUp}, Grants: b.grants}
	var err error
	if stored.Report, err = wire.EncodeRun(b.report); err != nil {
		t.Fatal(err)
	}
	for k, shard := range b.shards {
		row := store.Shard{Index: k, Address: "worker"}
		if row.Tally, err = wire.EncodeSnapshot(shard.Snapshot(true)); err != nil {
			t.Fatal(err)
		}
		stored.Shards = append(stored.Shards, row)
	}
	checks, err := Run(t.Context(), b, stored)
	if err != nil {
		t.Fatalf("Run() = %v, want checks", err)
	}
	if len(checks) != 4+len(b.shards) {
		t.Errorf("Run() = %d checks, want the run, %d shards, histograms, seconds and grants", len(checks), len(b.shards))
	}
	for _, check := range checks {
		if check.Detail == "" {
			t.Errorf("check %q says nothing", check.Name)
		}
		if !check.OK {
			failed = append(failed, check.Name)
			details += check.Detail + "\n"
		}
	}
	return failed, details
}

// Every check fails for what it is there for, and says what is wrong; a run that is right passes all.
func TestRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		spoil  func(*book)
		failed []string
		detail string
	}{
		{"right", func(*book) {}, nil, ""},
		{"a response too many in the run", func(b *book) { b.report.Tally.Counts.Responses++ }, []string{"run", "histograms", "seconds"}, "do not add up"},
		{"fewer slots than the plan has", func(b *book) {
			b.report.Plan.Load.Requests = 11
		}, []string{"run"}, "10 slots are accounted for, and the plan has 11"},
		{"slots open at the end", func(b *book) {
			b.report.Tally.Counts.Pending, b.report.Tally.Counts.Planned = 1, 11
			b.report.Plan.Load.Requests = 11
		}, []string{"run"}, "slots are open"},
		{"a worker that has more than the run", func(b *book) {
			c := &b.report.Workers[0].Tally.Counts
			c.Responses++
			c.Errors--
		}, []string{"run", "shard 0, worker"}, "the workers have 9 responses"},
		{"a worker that accounts for less than it was granted", func(b *book) {
			b.grants[1].Count++
			b.next = 12
			b.givenUp = 1
		}, []string{"shard 1, worker"}, "5 slots are accounted for, and 6 were granted"},
		{"a tally that was forgotten", func(b *book) {
			b.shards[0].Add(&outcome.Outcome{Status: 200, Service: time.Millisecond}, "")
		}, []string{"shard 0, worker"}, "the tally before it"},
		{"a histogram with a value too few", func(b *book) { b.report.Tally.Lateness.Count-- }, []string{"histograms"}, "lateness"},
		{"a second that is missing", func(b *book) { b.first = 1 }, []string{"seconds"}, "second 0 is missing"},
		{"a second with an outcome too many", func(b *book) {
			b.seconds[1].Add(&outcome.Outcome{Status: 200, Service: time.Millisecond}, "")
		}, []string{"seconds"}, "the seconds have 9 responses"},
		{"a slot that was granted twice", func(b *book) {
			b.grants[1] = store.Grant{Shard: 1, Grant: schedule.Grant{First: 4, Stride: 1, Count: 5}}
		}, []string{"grants"}, "granted a slot in common"},
		{"a grant beyond the mark", func(b *book) { b.grants[1].First = 11 }, []string{"grants"}, "the run's mark is 10"},
		{"a slot that nobody has", func(b *book) { b.next = 11 }, []string{"grants"}, "10 slots were granted or given up, and the run's mark is 11"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBook()
			tt.spoil(b)
			if failed, details := b.verify(t); !slices.Equal(failed, tt.failed) || !strings.Contains(details, tt.detail) {
				t.Errorf("checks that fail = %q: %s\nwant %q with %q", failed, details, tt.failed, tt.detail)
			}
		})
	}
}

// A long run's seconds are read page after page.
func TestManySeconds(t *testing.T) {
	t.Parallel()
	b := newBook()
	for range 2500 {
		b.seconds = append(b.seconds, new(tally.Tally))
	}
	if failed, details := b.verify(t); len(failed) > 0 {
		t.Errorf("checks that fail = %q: %s", failed, details)
	}
}
