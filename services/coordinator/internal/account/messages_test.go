package account

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// responses is n responses, due one each second from the given one on.
func responses(first, n int) []outcome.Outcome {
	rows := make([]outcome.Outcome, n)
	for i := range rows {
		rows[i] = outcome.Outcome{Slot: int64(first + i), Status: 200, Due: time.Duration(first+i) * time.Second}
	}
	return rows
}

// said is the tally of a worker that has the rows in batches, of so many slots granted, with the seconds from the given one
// on.
func said(granted int64, rows []outcome.Outcome, from int64) *tally.Snapshot {
	var sum tally.Tally
	cells := map[int64]*tally.Tally{}
	last := from
	for i := range rows {
		sum.Add(&rows[i], "")
		sum.Records++
		second := rows[i].Second()
		if cells[second] == nil {
			cells[second] = new(tally.Tally)
		}
		cells[second].Add(&rows[i], "")
		last = max(last, second)
	}
	sum.Counts.Planned, sum.Counts.Pending = granted, granted-sum.Counts.Settled()
	s := sum.Snapshot(true)
	for second := from; second <= last; second++ {
		if cells[second] == nil {
			cells[second] = new(tally.Tally)
		}
		s.Seconds = append(s.Seconds, tally.Second{Second: second, Tally: cells[second].Snapshot(true)})
	}
	return s
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

// However the rows are cut into messages, and whatever is said twice, the account in the end is the same.
func TestCuttingDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		var ends [2]*tally.Snapshot
		for i := range ends {
			a := New(int64(len(rows)), groups)
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
			ends[i] = a.Current().Snapshot(true)
			if n := ends[i].Records + ends[i].Folded; n != int64(len(rows)) {
				t.Fatalf("%d outcomes in batches and %d folded, want %d together", ends[i].Records, ends[i].Folded, len(rows))
			}
			ends[i].Records, ends[i].Folded = 0, 0 // how they came is how they were cut
		}
		if diff := cmp.Diff(ends[0], ends[1], cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("Current() of two cuttings (-one +other):\n%s", diff)
		}
	})
}

func TestSecondsAreReplacedWholeAndTakenOnce(t *testing.T) {
	t.Parallel()
	a := New(6, []string{""})
	rows := responses(0, 6) // one in each second
	all := map[int64]int64{}
	steps := []struct {
		name   string
		take   func()
		before int64
		over   map[int64]int64 // what has been taken by then
	}{
		{"started", func() { a.Started(1) }, 0, map[int64]int64{}},
		{"two rows", func() { a.Outcomes(2, rows[:2]) }, 0, map[int64]int64{}},
		{"a tally with seconds 0 and 1", func() { a.Tally(3, said(6, rows[:2], 0)) }, 0, map[int64]int64{}},
		{"the same again", func() { a.Tally(3, said(6, rows[:2], 0)) }, 0, map[int64]int64{}},
		{"a row of second 2", func() { a.Outcomes(4, rows[2:3]) }, 0, map[int64]int64{}},
		{"a tally from second 1 on", func() { a.Tally(5, said(6, rows[:3], 1)) }, 1, map[int64]int64{0: 1}},
		{"the rest", func() { a.Outcomes(6, rows[3:]) }, 1, map[int64]int64{0: 1}},
		{"finished", func() { a.Finished(7, said(6, rows, 1)) }, 1<<63 - 1, map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}},
		{"finished again", func() { a.Finished(7, said(6, rows, 1)) }, 1<<63 - 1, map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1}},
	}
	for _, step := range steps {
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

func TestSecondsOfALostShard(t *testing.T) {
	t.Parallel()
	a := New(5, []string{""})
	rows := responses(0, 5)
	a.Outcomes(1, rows[:2])
	a.Tally(2, said(5, rows[:2], 0))
	a.Outcomes(3, rows[2:4])
	a.Lose(0)
	all := map[int64]int64{}
	takeInto(t, a, all)
	if diff := cmp.Diff(map[int64]int64{0: 1, 1: 1, 2: 1, 3: 1}, all); diff != "" {
		t.Errorf("seconds of a lost shard (-want +got):\n%s", diff)
	}
	if c, want := a.Current().Counts, (tally.Counts{Planned: 5, Responses: 4, Unknown: 1}); c != want {
		t.Errorf("Current() = %v, want %v", c, want)
	}
}

// What a worker says wrongly is named, and the account stays closed over the slots that were granted all the same.
func TestWrongMessages(t *testing.T) {
	t.Parallel()
	rows := responses(0, 4)
	for _, tt := range []struct {
		name  string
		say   func(*Account)
		fault string // within Fault
		want  tally.Counts
	}{
		{
			"a gap, and rows after it",
			func(a *Account) { a.Outcomes(1, rows[:1]); a.Outcomes(3, rows[1:2]) },
			"1 are missing",
			tally.Counts{Planned: 4, Pending: 3, Responses: 1},
		},
		{
			"a gap that a tally closes",
			func(a *Account) {
				a.Outcomes(1, rows[:1])
				a.Tally(3, said(4, rows[:2], 0))
				a.Outcomes(4, rows[2:3])
			},
			"1 are missing",
			tally.Counts{Planned: 4, Pending: 1, Responses: 3},
		},
		{
			"a tally that goes back",
			func(a *Account) {
				a.Outcomes(1, rows[:2])
				a.Tally(2, said(4, rows[:2], 0))
				a.Tally(3, said(4, rows[:1], 0))
			},
			"message 3",
			tally.Counts{Planned: 4, Pending: 3, Responses: 1},
		},
		{
			"a malformed tally",
			func(a *Account) {
				a.Outcomes(1, rows[:1])
				s := said(4, rows[:1], 0)
				s.Service.Buckets = []byte("no histogram")
				a.Tally(2, s)
			},
			"malformed tally",
			tally.Counts{Planned: 4, Pending: 3, Responses: 1},
		},
		{
			"a request that the plan has not",
			func(a *Account) {
				a.Outcomes(1, []outcome.Outcome{{Status: 200, Request: 1}, {Status: 200, Request: -1}})
			},
			"request 1",
			tally.Counts{Planned: 4, Pending: 4},
		},
		{
			"a second that was over",
			func(a *Account) {
				a.Outcomes(1, rows[:3])
				a.Tally(2, said(4, rows[:3], 2))
				a.Tally(3, said(4, rows[:3], 0))
			},
			"second",
			tally.Counts{Planned: 4, Pending: 1, Responses: 3},
		},
		{
			"a second that is missing at the end",
			func(a *Account) {
				a.Outcomes(1, rows)
				a.Tally(2, said(4, rows, 1))
				a.Finished(3, said(4, rows, 1))
			},
			"the seconds have",
			tally.Counts{Planned: 4, Responses: 4},
		},
		{
			"a final tally with slots pending",
			func(a *Account) {
				a.Outcomes(1, rows[:3])
				a.Finished(2, said(4, rows[:3], 0))
			},
			"without an outcome",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a final tally of fewer slots",
			func(a *Account) {
				a.Outcomes(1, rows[:3])
				a.Finished(2, said(3, rows[:3], 0))
			},
			"3 slots of 4",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a malformed final tally",
			func(a *Account) {
				a.Outcomes(1, rows[:3])
				s := said(4, rows, 0)
				s.Service.Count = 7
				a.Finished(2, s)
			},
			"malformed tally",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a batch after the final tally",
			func(a *Account) {
				a.Outcomes(1, rows)
				a.Finished(2, said(4, rows, 0))
				a.Outcomes(3, rows[:1])
			},
			"message 3",
			tally.Counts{Planned: 4, Responses: 4},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := New(4, []string{""})
			tt.say(a)
			if !strings.Contains(a.Fault, tt.fault) || a.Fault == "" {
				t.Errorf("Fault = %q, want one with %q", a.Fault, tt.fault)
			}
			if c := a.Current().Counts; c != tt.want || !c.Closed() {
				t.Errorf("Current() = %v, want %v", c, tt.want)
			}
		})
	}
}

// More rows than slots are a fault at the next tally, and never make a count negative.
func TestMoreRowsThanSlots(t *testing.T) {
	t.Parallel()
	a := New(2, []string{""})
	a.Outcomes(1, responses(0, 5))
	if c := a.Current().Counts; !c.Closed() || c.Pending < 0 || c.InFlight < 0 {
		t.Errorf("Current() with 5 rows of 2 slots = %v, want no negative count", c)
	}
	a.Lose(0)
	if c := a.Current().Counts; !c.Closed() || c.Unknown < 0 {
		t.Errorf("Current() with 5 rows of 2 slots, lost = %v, want no negative count", c)
	}
	if a.Fault == "" {
		t.Error("Fault = none, want one on more outcomes than slots")
	}
}

func TestGiveUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		granted int64
		want    tally.Counts
	}{
		{"with slots", 7, tally.Counts{Planned: 7, NotSent: 7}},
		{"without end", schedule.Unbounded, tally.Counts{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := New(tt.granted, []string{""})
			a.Started(1)
			a.GiveUp(outcome.NotSentCancelled)
			a.Lose(3)
			if c := a.Current().Counts; c != tt.want || !c.Closed() || a.Fault != "" {
				t.Errorf("Current() = %v with fault %q, want %v without", c, a.Fault, tt.want)
			}
			if n := a.Current().NotSent[outcome.NotSentCancelled]; n != tt.want.NotSent {
				t.Errorf("NotSent[CANCELLED] = %d, want %d", n, tt.want.NotSent)
			}
		})
	}
}

// A worker whose sender stood still counts its outcome in a second that is not over: that is no fault, and loses nothing.
func TestOutcomeOfASecondThatIsOver(t *testing.T) {
	t.Parallel()
	late := outcome.Outcome{Slot: 2, Status: 200, Due: 100 * time.Millisecond, Service: time.Millisecond}
	rows := []outcome.Outcome{
		{Slot: 0, Status: 200, Service: time.Millisecond},
		{Slot: 1, Status: 200, Due: 1100 * time.Millisecond, Service: time.Millisecond},
	}
	a := New(3, []string{""})
	a.Outcomes(1, rows)
	a.Tally(2, said(3, rows, 0)) // second 0 for the last time
	a.Outcomes(3, []outcome.Outcome{late})
	final := said(3, append(rows, late), 0)
	moved := rows[1:]
	moved = append(moved, outcome.Outcome{Slot: 2, Status: 200, Due: 1100 * time.Millisecond, Service: time.Millisecond})
	final.Seconds = said(3, moved, 1).Seconds
	final.Counts.Pending = 0
	a.Finished(4, final)
	if a.Fault != "" {
		t.Errorf("Fault = %q, want none", a.Fault)
	}
	over, _ := a.TakeSeconds()
	if n, m := over[0].Counts.Responses, over[1].Counts.Responses; n != 1 || m != 2 {
		t.Errorf("seconds = %d and %d responses, want 1 and 2", n, m)
	}
}
