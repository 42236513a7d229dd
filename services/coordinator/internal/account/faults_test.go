package account

import (
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// A tally that does not fit the outcomes before it, or itself, is a fault.
func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	row := []outcome.Outcome{{Status: 200}}
	// good changes the tally of the row and another slot; its one second stays.
	good := func(change func(*tally.Tally)) *tally.Snapshot {
		s := said(2, row, 0, 0)
		sum, err := s.Tally()
		if err != nil {
			t.Fatal(err)
		}
		sum.Counts.Pending, sum.Counts.InFlight = 1, 0
		change(sum)
		seconds := s.Seconds
		s = sum.Snapshot(true)
		s.Seconds = seconds
		return s
	}
	for _, tt := range []struct {
		name   string
		change func(*tally.Tally)
	}{
		{"counts that do not add up", func(s *tally.Tally) { s.Counts.Pending = 7 }},
		{"more slots than were granted", func(s *tally.Tally) { s.Counts.Planned, s.Counts.Pending = 3, 2 }},
		{"more outcomes than were received", func(s *tally.Tally) {
			s.Add(&row[0], "")
			s.Records, s.Counts.Pending = 2, 0
		}},
		{"fewer outcomes than were received", func(s *tally.Tally) {
			*s = tally.Tally{Counts: tally.Counts{Planned: 2, Pending: 2}}
		}},
		{"another status", func(s *tally.Tally) { s.ByStatus[200] = 2 }},
		{"outcomes in no batch", func(s *tally.Tally) { s.Folded = 1 }},
		{"a folded outcome that is not there", func(s *tally.Tally) { s.Folded, s.Records = 1, 0 }},
		{"a folded outcome in the place of one that was received", func(s *tally.Tally) {
			s.Add(&outcome.Outcome{Error: outcome.Other}, "")
			*s = tally.Tally{Counts: s.Counts, Errors: s.Errors, Lateness: s.Lateness, Folded: 2}
			s.Counts.Planned, s.Counts.Pending, s.Counts.Responses, s.Counts.Errors = 2, 0, 0, 2
			s.Errors[outcome.Other].Count = 2
		}},
		{"an error that was none", func(s *tally.Tally) {
			*s = tally.Tally{}
			s.Add(&outcome.Outcome{Error: outcome.Other}, "")
			s.Records, s.Counts.Pending, s.Counts.Planned = 1, 1, 2
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := granted(2, "")
			a.Started(1)
			a.Outcomes(2, row)
			a.Tally(3, good(tt.change))
			if a.Fault == "" {
				t.Error("Fault = none, want one")
			}
		})
	}
	a := granted(2, "")
	a.Started(1)
	a.Outcomes(2, row)
	a.Tally(3, good(func(*tally.Tally) {}))
	if a.Fault != "" {
		t.Errorf("Fault of a good tally = %q, want none", a.Fault)
	}
}

// What a worker says wrongly is named, and the account stays closed over the slots that were granted all the same. All of it comes
// after started.
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
			func(a *Account) { a.Outcomes(2, rows[:1]); a.Outcomes(4, rows[1:2]) },
			"1 are missing",
			tally.Counts{Planned: 4, Pending: 3, Responses: 1},
		},
		{
			"a gap that a tally closes",
			func(a *Account) {
				a.Outcomes(2, rows[:1])
				a.Tally(4, said(4, rows[:2], 0, 0))
				a.Outcomes(5, rows[2:3])
			},
			"1 are missing",
			tally.Counts{Planned: 4, InFlight: 1, Responses: 3},
		},
		{
			"a tally that goes back",
			func(a *Account) {
				a.Outcomes(2, rows[:2])
				a.Tally(3, said(4, rows[:2], 0, 0))
				a.Tally(4, said(4, rows[:1], 0, 0))
			},
			"message 4",
			tally.Counts{Planned: 4, InFlight: 3, Responses: 1},
		},
		{
			"a malformed tally",
			func(a *Account) {
				a.Outcomes(2, rows[:1])
				s := said(4, rows[:1], 0, 0)
				s.Service.Buckets = []byte("no histogram")
				a.Tally(3, s)
			},
			"malformed tally",
			tally.Counts{Planned: 4, Pending: 3, Responses: 1},
		},
		{
			"a malformed second",
			func(a *Account) {
				a.Outcomes(2, rows[:1])
				s := said(4, rows[:1], 0, 0)
				s.Seconds[0].Tally.Service.Count = 7
				a.Tally(3, s)
			},
			"second 0 is malformed",
			tally.Counts{Planned: 4, InFlight: 3, Responses: 1},
		},
		{
			"a second beyond any run",
			func(a *Account) {
				a.Outcomes(2, rows[:1])
				s := said(4, rows[:1], 0, 0)
				s.Seconds[0].Second = 1 << 40
				a.Tally(3, s)
			},
			"beyond any run's end",
			tally.Counts{Planned: 4, InFlight: 3, Responses: 1},
		},
		{
			"a request that the plan has not",
			func(a *Account) {
				a.Outcomes(2, []outcome.Outcome{{Status: 200, Request: 1}, {Status: 200, Request: -1}})
			},
			"request 1",
			tally.Counts{Planned: 4, Pending: 4},
		},
		{
			"a second that is missing at the end",
			func(a *Account) {
				a.Outcomes(2, rows)
				a.Tally(3, said(4, rows, 1, 1))
				a.Finished(4, ended(rows, 1), 4, 0)
			},
			"the seconds have 3 outcomes",
			tally.Counts{Planned: 4, Responses: 4},
		},
		{
			"a final tally with slots pending",
			func(a *Account) {
				a.Outcomes(2, rows[:3])
				a.Finished(3, said(4, rows[:3], 0, 0), 4, 0)
			},
			"without an outcome",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a final tally that misses slots that the worker knew of",
			func(a *Account) {
				a.Outcomes(2, rows[:3])
				a.Finished(3, ended(rows[:3], 0), 4, outcome.NotSentCancelled)
			},
			"outcomes of 3 slots, of 4",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a final tally of more slots than were granted",
			func(a *Account) {
				a.Outcomes(2, rows)
				a.Finished(3, ended(responses(0, 5), 0), 5, 0)
			},
			"of 4 that were granted",
			tally.Counts{Planned: 5, Responses: 5},
		},
		{
			"a malformed final tally",
			func(a *Account) {
				a.Outcomes(2, rows[:3])
				s := ended(rows, 0)
				s.Service.Count = 7
				a.Finished(3, s, 4, 0)
			},
			"malformed tally",
			tally.Counts{Planned: 4, Responses: 3, Unknown: 1},
		},
		{
			"a batch after the final tally",
			func(a *Account) {
				a.Outcomes(2, rows)
				a.Finished(3, ended(rows, 0), 4, 0)
				a.Outcomes(4, rows[:1])
			},
			"message 4",
			tally.Counts{Planned: 4, Responses: 4},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := granted(4, "")
			a.Started(1)
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

// More rows than slots are a fault at once, and never make a count negative.
func TestMoreRowsThanSlots(t *testing.T) {
	t.Parallel()
	a := granted(2, "")
	a.Outcomes(1, responses(0, 5))
	if a.Fault == "" {
		t.Error("Fault = none, want one on more outcomes than slots")
	}
	for _, change := range []struct {
		name string
		do   func()
	}{{"as it is", func() {}}, {"lost", a.Lose}, {"at the end", a.End}} {
		change.do()
		if c := a.Current().Counts; !c.Closed() || c.Pending < 0 || c.InFlight < 0 || c.Unknown < 0 {
			t.Errorf("Current() with 5 rows of 2 slots, %s = %v, want no negative count", change.name, c)
		}
	}
}
