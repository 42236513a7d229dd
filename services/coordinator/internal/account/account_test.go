package account

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// granted is an account of a run with an end that was granted so many slots.
func granted(n int64, groups ...string) *Account {
	a := New(false, groups)
	a.Grant(n)
	return a
}

// equateBytes compares buckets in one go: cmp goes over slices element by element.
var equateBytes = cmp.FilterValues(func(a, b []byte) bool { return len(a)+len(b) > 0 }, cmp.Comparer(bytes.Equal))

// same fails unless two tallies look the same, their histograms' buckets included.
func same(t *rapid.T, what string, got, want *tally.Tally) {
	t.Helper()
	if diff := cmp.Diff(want.Snapshot(true), got.Snapshot(true), cmpopts.EquateEmpty(), equateBytes); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// sumOf is the tally of the rows, all of which are settled.
func sumOf(rows []outcome.Outcome) *tally.Tally {
	var sum tally.Tally
	for i := range rows {
		sum.Add(&rows[i], groups[rows[i].Request])
	}
	sum.Counts.Planned = int64(len(rows))
	return &sum
}

// forward holds the account's counts against its grants, and against what they were before.
func forward(t *rapid.T, a *Account, last tally.Counts) tally.Counts {
	t.Helper()
	c := a.Current().Counts
	if !c.Closed() || c.Planned != a.granted || c.Pending < 0 || c.InFlight < 0 || c.Unknown < 0 {
		t.Fatalf("Current() = %v, want counts that add up to %d", c, a.granted)
	}
	if c.Responses < last.Responses || c.Errors < last.Errors || c.NotSent < last.NotSent {
		t.Fatalf("Current() = %v, which went back from %v", c, last)
	}
	return c
}

// Whatever the cutting into messages, whatever is folded and however often each message is repeated, the account is that of the
// rows, and at every moment it is closed and has gone forward.
func TestAccountIsThatOfItsOutcomes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		messages, w := stream(t, rows)
		want := sumOf(rows)
		want.Folded, want.Records = w.sum.Folded, w.sum.Records
		a := granted(int64(len(rows)), groups...)
		last := tally.Counts{}
		for i, m := range messages {
			m.to(a)
			for range rapid.IntRange(0, 2).Draw(t, "repeats") {
				messages[rapid.IntRange(0, i).Draw(t, "repeated")].to(a)
			}
			last = forward(t, a, last)
		}
		if a.Fault != "" || !a.finished {
			t.Fatalf("fault %q, complete %v", a.Fault, a.finished)
		}
		same(t, "account", a.Current(), want)
		over, _ := a.TakeSeconds()
		for second, cell := range w.cells {
			same(t, "second", over[second], cell)
		}
		if len(over) != len(w.cells) {
			t.Fatalf("TakeSeconds() = %d seconds, want %d", len(over), len(w.cells))
		}
	})
}

// However the rows are cut into messages, and whatever is said twice, the account in the end is the same.
func TestCuttingDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		var ends [2]*tally.Tally
		for i := range ends {
			a := granted(int64(len(rows)), groups...)
			messages, _ := stream(t, rows)
			for _, m := range messages {
				m.to(a)
				if i == 1 {
					m.to(a)
				}
			}
			if a.Fault != "" {
				t.Fatalf("Fault = %q, want none", a.Fault)
			}
			ends[i] = a.Current()
			if n := ends[i].Records + ends[i].Folded; n != int64(len(rows)) {
				t.Fatalf("%d outcomes in batches and %d folded, want %d together", ends[i].Records, ends[i].Folded, len(rows))
			}
			ends[i].Records, ends[i].Folded = 0, 0 // how they came is how they were cut
		}
		same(t, "account of two cuttings", ends[1], ends[0])
	})
}

// Of a run without end, slots that were granted and not claimed are none.
func TestShardWithoutEnd(t *testing.T) {
	t.Parallel()
	a := New(true, []string{""})
	a.Grant(9)
	row := []outcome.Outcome{{Status: 200}}
	a.Started(1)
	if c, want := a.Current().Counts, (tally.Counts{}); c != want {
		t.Errorf("Current() before the first outcome = %v, want %v", c, want)
	}
	a.Outcomes(2, row)
	var sum tally.Tally
	sum.Add(&row[0], "")
	sum.Records, sum.Counts.InFlight, sum.Counts.Planned = 1, 4, 5
	a.Tally(3, sum.Snapshot(true))
	a.Outcomes(4, row)
	if c, want := a.Current().Counts, (tally.Counts{Planned: 6, InFlight: 4, Responses: 2}); c != want {
		t.Errorf("Current() = %v, want %v", c, want)
	}
	if n := a.Begun(); n != 6 {
		t.Errorf("Begun() = %d, want 6", n)
	}
	a.Lose()
	if c, want := a.Current().Counts, (tally.Counts{Planned: 9, Responses: 2, Unknown: 7}); c != want {
		t.Errorf("Current() of a lost shard = %v, want %v: it may have sent all that it was granted", c, want)
	}
	w := newWorker(2)
	w.sequence = 4
	if _, ok := w.take(append(row, row...), true); ok {
		t.Fatal("folded rows are a message")
	}
	w.sum.Folded, w.sum.Records = 0, 2
	w.finished().to(a)
	if c, want := a.Current().Counts, (tally.Counts{Planned: 2, Responses: 2}); c != want || a.Fault != "" {
		t.Errorf("Current() at the end = %v, fault %q, want %v", c, a.Fault, want)
	}
}
