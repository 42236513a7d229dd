package account

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// responses is n responses, due one each second from the given one on.
func responses(first, n int) []outcome.Outcome {
	rows := make([]outcome.Outcome, n)
	for i := range rows {
		rows[i] = outcome.Outcome{Slot: int64(first + i), Status: 200, Due: time.Duration(first+i) * time.Second}
	}
	return rows
}

// said is the tally of a worker that has the rows in batches, of so many slots granted, with the seconds from the given one
// on, of which those before complete are.
func said(granted int64, rows []outcome.Outcome, from, complete int64) *tally.Snapshot {
	w := newWorker(granted)
	w.take(rows, false)
	for second := range complete {
		w.tally(second)
	}
	w.dropped = from
	return w.tally(complete).tally
}

// ended is said for the end: every second is complete.
func ended(rows []outcome.Outcome, from int64) *tally.Snapshot {
	w := newWorker(int64(len(rows)))
	w.take(rows, false)
	w.dropped = from
	return w.finished().tally
}

// takeInto moves the seconds that are over into all, each of which has to come once.
func takeInto(t *testing.T, a *Account, all map[int64]int64) (before int64) {
	t.Helper()
	over, before := a.TakeSeconds()
	for second, s := range over {
		if n, twice := all[second]; twice {
			t.Errorf("second %d came twice, with %d and %d responses", second, n, s.Counts.Responses)
		}
		all[second] = s.Counts.Responses
	}
	return before
}

func TestSecondsAreReplacedWholeAndTakenOnce(t *testing.T) {
	t.Parallel()
	a := granted(6, "")
	rows := responses(0, 6) // one in each second
	all := map[int64]int64{}
	const never = 1<<63 - 1
	for _, step := range []struct {
		name   string
		take   func()
		before int64
		over   map[int64]int64 // what has been taken by then
	}{
		{"started", func() { a.Started(1) }, 0, map[int64]int64{}},
		{"two rows", func() { a.Outcomes(2, rows[:2]) }, 0, map[int64]int64{}},
		{"a tally with seconds 0 and 1", func() { a.Tally(3, said(6, rows[:2], 0, 0)) }, 0, map[int64]int64{}},
		{"the same again", func() { a.Tally(3, said(6, rows[:2], 0, 0)) }, 0, map[int64]int64{}},
		{"a row of second 2", func() { a.Outcomes(4, rows[2:3]) }, 0, map[int64]int64{}},
		{"a tally of which second 0 is complete", func() { a.Tally(5, said(6, rows[:3], 0, 1)) }, 1, map[int64]int64{0: 1}},
		{"second 0 once more, which was not acknowledged", func() { a.Tally(6, said(6, rows[:3], 0, 1)) }, 1, map[int64]int64{0: 1}},
		{"another stream", func() { a.Started(9) }, 1, map[int64]int64{0: 1}},
		{"which tells all that is not acknowledged", func() { a.Tally(10, said(6, rows[:3], 0, 2)) }, 2, map[int64]int64{0: 1, 1: 1}},
		{"the rest", func() { a.Outcomes(11, rows[3:]) }, 2, map[int64]int64{0: 1, 1: 1}},
		{"finished", func() { a.Finished(12, ended(rows, 1), 6, 0) }, never, map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}},
		{"finished again", func() { a.Finished(12, ended(rows, 1), 6, 0) }, never, map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}},
	} {
		step.take()
		if before := takeInto(t, a, all); before != step.before {
			t.Errorf("TakeSeconds() after %s = before %d, want %d", step.name, before, step.before)
		}
		if diff := cmp.Diff(step.over, all); diff != "" {
			t.Errorf("seconds after %s (-want +got):\n%s", step.name, diff)
		}
	}
	if a.Fault != "" {
		t.Errorf("Fault = %q, want none", a.Fault)
	}
}

// A second that a tally leaves out is over, as the batcher of a direct call tells it.
func TestSecondThatIsNotToldAnyMore(t *testing.T) {
	t.Parallel()
	a := granted(2, "")
	rows := responses(0, 2)
	a.Started(1)
	a.Outcomes(2, rows[:1])
	a.Tally(3, said(2, rows[:1], 0, 0))
	a.Outcomes(4, rows[1:])
	a.Tally(5, said(2, rows, 1, 1))
	all := map[int64]int64{}
	if before := takeInto(t, a, all); before != 1 || len(all) != 1 || all[0] != 1 || a.Fault != "" {
		t.Errorf("TakeSeconds() = %v before %d, fault %q, want second 0 with 1 response", all, before, a.Fault)
	}
}

// What a worker that is silent has told stays open as long as it may tell more; the end of the run closes it, the outcomes after the
// last tally included.
func TestSecondsOfALostShard(t *testing.T) {
	t.Parallel()
	a := granted(5, "")
	rows := responses(0, 5)
	a.Started(1)
	a.Outcomes(2, rows[:2])
	a.Tally(3, said(5, rows[:2], 0, 0))
	a.Outcomes(4, rows[2:4])
	a.Lose()
	all := map[int64]int64{}
	if before := takeInto(t, a, all); before != 0 || len(all) != 0 {
		t.Errorf("TakeSeconds() of a lost shard = %v before %d, want none", all, before)
	}
	a.End()
	takeInto(t, a, all)
	if diff := cmp.Diff(map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1}, all); diff != "" {
		t.Errorf("seconds of a lost shard at the end (-want +got):\n%s", diff)
	}
	if c, want := a.Current().Counts, (tally.Counts{Planned: 5, Responses: 4, Unknown: 1}); c != want || a.Fault != "" {
		t.Errorf("Current() = %v, fault %q, want %v", c, a.Fault, want)
	}
}

// A worker whose sender stood still counts its outcome in a second that is not over: that is no fault, and loses nothing.
func TestOutcomeOfASecondThatIsOver(t *testing.T) {
	t.Parallel()
	late := outcome.Outcome{Slot: 2, Status: 200, Due: 100 * time.Millisecond, Service: time.Millisecond}
	w := newWorker(3)
	a := granted(3, "")
	w.started().to(a)
	for _, rows := range [][]outcome.Outcome{
		{{Slot: 0, Status: 200, Service: time.Millisecond}, {Slot: 1, Status: 200, Due: 1100 * time.Millisecond, Service: time.Millisecond}},
		{late},
	} {
		m, _ := w.take(rows, false)
		m.to(a)
		w.tally(1).to(a)
	}
	w.finished().to(a)
	if a.Fault != "" {
		t.Errorf("Fault = %q, want none", a.Fault)
	}
	over, _ := a.TakeSeconds()
	if n, m := over[0].Counts.Responses, over[1].Counts.Responses; n != 1 || m != 2 {
		t.Errorf("seconds = %d and %d responses, want 1 and 2", n, m)
	}
}
