package tally_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is an outcome and the group that it goes to.
type row struct {
	outcome.Outcome
	Group string
}

func drawRow(t *rapid.T) row {
	r := row{Group: rapid.SampledFrom([]string{"", "read", "write"}).Draw(t, "group")}
	span := func(label string) time.Duration {
		// Beyond one hour too, where histograms clamp.
		return time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, label))
	}
	switch rapid.SampledFrom([]string{"response", "error", "not sent"}).Draw(t, "end") {
	case "not sent":
		r.NotSent = rapid.SampledFrom(outcome.Reasons()).Draw(t, "reason")
		return r
	case "error":
		r.Error = rapid.SampledFrom(outcome.Classes()[:3]).Draw(t, "class")
		r.Message = rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f", "g", "h"}).Draw(t, "message")
	default:
		r.Status = rapid.Int32Range(200, 203).Draw(t, "status")
		r.FirstByte = span("first byte")
	}
	r.Lateness, r.Service = span("lateness"), span("service")
	r.SentBytes = rapid.Int64Range(0, 1000).Draw(t, "sent bytes")
	r.ReceivedBytes = rapid.Int64Range(0, 1000).Draw(t, "received bytes")
	return r
}

func drawRows(t *rapid.T) []row { return rapid.SliceOfN(rapid.Custom(drawRow), 0, 40).Draw(t, "rows") }

// sum is the tally of the rows, each of which counts as one record.
func sum(rows []row) *tally.Tally {
	s := new(tally.Tally)
	for i := range rows {
		s.Add(&rows[i].Outcome, rows[i].Group)
		s.Records++
		s.Stalled += time.Duration(i%2) * time.Millisecond
		s.Counts.Planned++
	}
	return s
}

// sameSnapshot fails unless the two tallies look the same, their histograms' buckets included.
func sameSnapshot(t interface{ Fatalf(string, ...any) }, got, want *tally.Tally) {
	if diff := cmp.Diff(want.Snapshot(true), got.Snapshot(true), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("Snapshot (-want +got):\n%s", diff)
	}
}

func TestMergeInAnyOrderAndGrouping(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		whole := new(tally.Tally)
		for i := range rows {
			whole.Add(&rows[i].Outcome, rows[i].Group)
		}
		// Deal the shuffled rows to some tallies, and merge those by twos, of any place, until one is left.
		parts := make([]*tally.Tally, rapid.IntRange(1, 6).Draw(t, "parts"))
		for i := range parts {
			parts[i] = new(tally.Tally)
		}
		for _, r := range rapid.Permutation(rows).Draw(t, "order") {
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].Add(&r.Outcome, r.Group)
		}
		for len(parts) > 1 {
			into := rapid.IntRange(0, len(parts)-1).Draw(t, "into")
			from := rapid.IntRange(0, len(parts)-2).Draw(t, "from")
			if from >= into {
				from++
			}
			before := parts[from].Snapshot(true)
			parts[into].Merge(parts[from])
			if diff := cmp.Diff(before, parts[from].Snapshot(true)); diff != "" {
				t.Fatalf("Merge changed its argument (-before +after):\n%s", diff)
			}
			parts = slices.Delete(parts, from, from+1)
		}
		sameSnapshot(t, parts[0], whole)
	})
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := sum(drawRows(t))
		got, err := want.Snapshot(true).Tally()
		if err != nil {
			t.Fatalf("Tally() = %v, want no error", err)
		}
		sameSnapshot(t, got, want)
	})
}

func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	rows := []row{
		{Outcome: outcome.Outcome{Status: 200, Service: time.Millisecond}, Group: "read"},
		{Outcome: outcome.Outcome{Error: outcome.ConnReset, Message: "reset"}},
		{Outcome: outcome.Outcome{NotSent: outcome.NotSentCancelled}},
	}
	original := sum(rows)
	clone := original.Clone()
	for range 3 {
		original.Merge(sum(append(rows, row{Outcome: outcome.Outcome{Error: outcome.ConnReset, Message: "another"}, Group: "read"})))
	}
	sameSnapshot(t, clone, sum(rows))
	clone.Merge(nil)
	sameSnapshot(t, clone, sum(rows))
}

func TestExamplesAreBoundedAndFreeOfOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		messages := rapid.SliceOfN(rapid.StringMatching(`[a-c]{0,2}`), 0, 60).Draw(t, "messages")
		var distinct []string
		for _, m := range messages {
			if m != "" && !slices.Contains(distinct, m) {
				distinct = append(distinct, m)
			}
		}
		slices.Sort(distinct)
		s := new(tally.Tally)
		for _, m := range messages {
			s.Add(&outcome.Outcome{Error: outcome.Other, Message: m}, "")
		}
		if len(messages) == 0 {
			return
		}
		got := s.Errors[outcome.Other]
		want := &tally.ErrorCount{Count: int64(len(messages)), Examples: distinct[:min(len(distinct), tally.MaxExamples)]}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("Errors[OTHER] (-want +got):\n%s", diff)
		}
	})
}

// Examples of a snapshot are the caller's: what is added later does not show in them.
func TestSnapshotStaysAsItIs(t *testing.T) {
	t.Parallel()
	s := new(tally.Tally)
	add := func(from, to int) {
		for i := from; i > to; i-- {
			s.Add(&outcome.Outcome{Error: outcome.Other, Message: fmt.Sprintf("message %02d", i)}, "g")
			s.Add(&outcome.Outcome{Status: int32(200 + i)}, "g")
		}
	}
	add(40, 20)
	snapshot := s.Snapshot(true)
	before := fmt.Sprintf("%+v %+v", *snapshot, *snapshot.Groups["g"])
	add(20, 0)
	if after := fmt.Sprintf("%+v %+v", *snapshot, *snapshot.Groups["g"]); after != before {
		t.Errorf("Snapshot = %s, want it as it was: %s", after, before)
	}
}

func TestSnapshotThatIsNoTally(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*tally.Snapshot)
		want   string // within the error
	}{
		{"service_time has one too many", func(s *tally.Snapshot) { s.Service.Count++ }, "service_time"},
		{"response_time has one too few", func(s *tally.Snapshot) { s.Response.Count-- }, "response_time"},
		{"first_byte_time has one too many", func(s *tally.Snapshot) { s.FirstByte.Count++ }, "first_byte_time"},
		{"lateness has the responses only", func(s *tally.Snapshot) { s.Lateness.Count = s.Counts.Responses }, "lateness"},
		{"a response more", func(s *tally.Snapshot) { s.Counts.Responses++ }, "values where the counts say"},
		{"an error more", func(s *tally.Snapshot) { s.Counts.Errors++ }, "lateness"},
		{"no buckets", func(s *tally.Snapshot) { s.Service.Buckets = nil }, "service_time"},
		{"cut buckets", func(s *tally.Snapshot) { s.Lateness.Buckets = s.Lateness.Buckets[:20] }, "lateness"},
		{"buckets of another histogram", func(s *tally.Snapshot) { s.Service.Buckets = s.Lateness.Buckets }, "service_time"},
		{"a minimum above the maximum", func(s *tally.Snapshot) { s.Service.Min = s.Service.Max + 1 }, "service_time"},
		{"a group's histogram", func(s *tally.Snapshot) { s.Groups["read"].Service.Count++ }, `group "read"`},
		{"a group's counter", func(s *tally.Snapshot) { s.Groups["read"].Counts.Errors++ }, `group "read"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sum([]row{
				{Outcome: outcome.Outcome{Status: 200, Service: 3 * time.Millisecond, FirstByte: time.Millisecond}, Group: "read"},
				{Outcome: outcome.Outcome{Status: 404, Service: 5 * time.Millisecond, FirstByte: time.Millisecond}},
				{Outcome: outcome.Outcome{Error: outcome.ConnReset, Lateness: time.Second}},
			}).Snapshot(true)
			if _, err := s.Tally(); err != nil {
				t.Fatalf("Tally() = %v before the change, want no error", err)
			}
			tt.change(s)
			if _, err := s.Tally(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Tally() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestCountsClosed(t *testing.T) {
	t.Parallel()
	whole := tally.Counts{Planned: 21, Pending: 1, InFlight: 2, Responses: 3, Errors: 4, NotSent: 5, Unknown: 6}
	if !whole.Closed() || whole.Settled() != 12 {
		t.Errorf("Closed(), Settled() of %v = %v, %d, want true, 12", whole, whole.Closed(), whole.Settled())
	}
	for name, change := range map[string]func(*tally.Counts){
		"planned": func(c *tally.Counts) { c.Planned++ }, "pending": func(c *tally.Counts) { c.Pending++ },
		"in flight": func(c *tally.Counts) { c.InFlight++ }, "responses": func(c *tally.Counts) { c.Responses++ },
		"errors": func(c *tally.Counts) { c.Errors++ }, "not sent": func(c *tally.Counts) { c.NotSent++ },
		"unknown": func(c *tally.Counts) { c.Unknown++ },
	} {
		c := whole
		if change(&c); c.Closed() {
			t.Errorf("Closed() with one more %s = true, want false: %v", name, c)
		}
	}
}

func TestSnapshotOrder(t *testing.T) {
	t.Parallel()
	s := new(tally.Tally)
	for class, n := range map[outcome.Class]int{outcome.Other: 2, outcome.ConnReset: 3, outcome.ConnEOF: 2} {
		for range n {
			s.Add(&outcome.Outcome{Error: class}, "")
		}
	}
	s.AddNotSent(outcome.NotSentCancelled, 1)
	s.AddNotSent(outcome.NotSentLeaseLost, 4)
	s.AddNotSent(outcome.NotSentRunEnded, 1)
	got := s.Snapshot(false)
	wantErrors := []tally.ClassCount{{Class: outcome.ConnReset, Count: 3}, {Class: outcome.ConnEOF, Count: 2}, {Class: outcome.Other, Count: 2}}
	if diff := cmp.Diff(wantErrors, got.Errors, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Errors (-want +got):\n%s", diff)
	}
	wantNotSent := []tally.ReasonCount{
		{Reason: outcome.NotSentLeaseLost, Count: 4}, {Reason: outcome.NotSentCancelled, Count: 1}, {Reason: outcome.NotSentRunEnded, Count: 1},
	}
	if diff := cmp.Diff(wantNotSent, got.NotSent); diff != "" {
		t.Errorf("NotSent (-want +got):\n%s", diff)
	}
	if got.Lateness.Buckets != nil {
		t.Errorf("Snapshot(false) carries buckets, want none")
	}
}

// A tally that was reset is a new one, but for the groups that it remembers.
func TestReset(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, after := drawRows(t), drawRows(t)
		got := sum(before)
		got.Reset()
		for _, g := range got.Groups {
			sameSnapshot(t, g, new(tally.Tally))
		}
		got.Merge(sum(after))
		want := sum(after)
		for name, g := range got.Groups {
			if want.Groups[name] == nil {
				if g.Counts != (tally.Counts{}) {
					t.Fatalf("group %q = %v, want nothing in it", name, g.Counts)
				}
				delete(got.Groups, name)
			}
		}
		sameSnapshot(t, got, want)
	})
}
