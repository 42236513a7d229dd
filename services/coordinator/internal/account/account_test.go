package account

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

var groups = []string{"", "a", "b"}

func drawOutcomes(t *rapid.T) []outcome.Outcome {
	rows := make([]outcome.Outcome, rapid.IntRange(0, 120).Draw(t, "slots"))
	for i := range rows {
		o := outcome.Outcome{
			Slot: int64(i), Request: int32(rapid.IntRange(0, 2).Draw(t, "request")),
			Due: time.Duration(rapid.IntRange(0, 4000).Draw(t, "due")) * time.Millisecond,
		}
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			o.NotSent = rapid.SampledFrom(outcome.Reasons()).Draw(t, "reason")
		case 1:
			o.Error = rapid.SampledFrom(outcome.Classes()).Draw(t, "class")
			o.Message = rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "message")
			o.Service = time.Duration(rapid.IntRange(0, 3000).Draw(t, "service")) * time.Millisecond
		default:
			o.Status = int32(rapid.SampledFrom([]int{200, 404, 503}).Draw(t, "status"))
			o.Service = time.Duration(rapid.IntRange(0, 3000).Draw(t, "service")) * time.Millisecond
			o.ReceivedBytes = 10
		}
		rows[i] = o
	}
	return rows
}

// message is one message of a stream: a batch, or a tally, of which the last one is final.
type message struct {
	sequence int64
	rows     []outcome.Outcome
	tally    *tally.Snapshot
	final    bool
}

// stream is the messages of a worker that sends these rows in batches of any size with tallies anywhere between, and drops
// no second. Any of them it folds: they are in no batch, but in the next tally.
func stream(t *rapid.T, rows []outcome.Outcome) (messages []message, folded int64) {
	var sum tally.Tally
	folds := rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "folds of three") // none, some, or all
	cells := map[int64]*tally.Tally{0: new(tally.Tally)}
	checkpoint := func(final bool) {
		settled := sum.Counts.Settled()
		sum.Counts.Planned = int64(len(rows))
		sum.Counts.InFlight = min(int64(len(rows))-settled, 3)
		sum.Counts.Pending = sum.Counts.Planned - settled - sum.Counts.InFlight
		s := sum.Snapshot(true)
		seconds := make([]int64, 0, len(cells))
		for second := range cells {
			seconds = append(seconds, second)
		}
		slices.Sort(seconds)
		for _, second := range seconds {
			s.Seconds = append(s.Seconds, tally.Second{Second: second, Tally: cells[second].Snapshot(true)})
		}
		messages = append(messages, message{tally: s, final: final})
	}
	for rest := rows; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
		var batch []outcome.Outcome
		for i := range rest[:n] {
			o := &rest[i]
			sum.Add(o, groups[o.Request])
			if rapid.IntRange(1, 3).Draw(t, "fold") <= folds {
				sum.Folded++
			} else {
				sum.Records++
				batch = append(batch, *o)
			}
			if o.NotSent == outcome.Sent {
				if cells[o.Second()] == nil {
					cells[o.Second()] = new(tally.Tally)
				}
				cells[o.Second()].Add(o, "")
			}
		}
		if len(batch) > 0 {
			messages = append(messages, message{rows: batch})
		}
		rest = rest[n:]
		if rapid.Bool().Draw(t, "checkpoint") {
			checkpoint(false)
		}
	}
	checkpoint(true)
	for i := range messages {
		messages[i].sequence = int64(i + 1)
	}
	return messages, sum.Folded
}

func (m message) to(a *Account) {
	switch {
	case m.final:
		a.Finished(m.sequence, m.tally)
	case m.tally != nil:
		a.Tally(m.sequence, m.tally)
	default:
		a.Outcomes(m.sequence, m.rows)
	}
}

var ignoreStall = cmpopts.EquateEmpty()

// Whatever the cutting into messages, whatever is folded and however often each message is repeated, the account is that of the
// rows, and at every moment it is closed and has gone forward.
func TestAccountIsThatOfItsOutcomes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		var want tally.Tally
		for i := range rows {
			want.Add(&rows[i], groups[rows[i].Request])
		}
		messages, folded := stream(t, rows)
		want.Folded, want.Records, want.Counts.Planned = folded, int64(len(rows))-folded, int64(len(rows))
		a := New(int64(len(rows)), groups)
		last := tally.Counts{}
		for i, m := range messages {
			m.to(a)
			for range rapid.IntRange(0, 2).Draw(t, "repeats") {
				messages[rapid.IntRange(0, i).Draw(t, "repeated")].to(a)
			}
			c := a.Current().Counts
			if !c.Closed() || c.Planned != int64(len(rows)) {
				t.Fatalf("after message %d: counts %v of %d slots", m.sequence, c, len(rows))
			}
			if c.Responses < last.Responses || c.Errors < last.Errors || c.NotSent < last.NotSent {
				t.Fatalf("after message %d: %v went back from %v", m.sequence, c, last)
			}
			last = c
		}
		if a.Fault != "" || !a.Complete() {
			t.Fatalf("fault %q, complete %v", a.Fault, a.Complete())
		}
		if diff := cmp.Diff(want.Snapshot(true), a.Current().Snapshot(true), ignoreStall); diff != "" {
			t.Fatalf("account (-want +got): %s", diff)
		}
		over, _ := a.TakeSeconds()
		var sum tally.Tally
		for _, second := range over {
			sum.Merge(second)
		}
		if c := sum.Counts; c.Responses != want.Counts.Responses || c.Errors != want.Counts.Errors {
			t.Fatalf("the seconds have %v, the shard %v", c, want.Counts)
		}
	})
}

// A stream that breaks off anywhere leaves what was not reported unknown, and nothing else.
func TestLostShard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		messages, _ := stream(t, rows)
		a := New(int64(len(rows)), groups)
		for _, m := range messages[:rapid.IntRange(0, len(messages)-1).Draw(t, "received")] {
			m.to(a)
		}
		settled := a.Current().Counts.Settled()
		a.Lose(0)
		c := a.Current().Counts
		if !c.Closed() || c.Unknown != int64(len(rows))-settled || c.Pending != 0 || c.InFlight != 0 {
			t.Fatalf("a lost shard = %v, of %d with %d settled", c, len(rows), settled)
		}
	})
}

func TestShardWithoutEnd(t *testing.T) {
	t.Parallel()
	a := New(schedule.Unbounded, []string{""})
	row := []outcome.Outcome{{Status: 200}}
	a.Outcomes(1, row)
	var sum tally.Tally
	sum.Add(&row[0], "")
	sum.Records, sum.Counts.InFlight, sum.Counts.Planned = 1, 4, 5
	a.Tally(2, sum.Snapshot(true))
	a.Outcomes(3, row)
	if c := a.Current().Counts; c.Planned != 6 || c.InFlight != 4 || c.Responses != 2 || c.Pending != 0 {
		t.Errorf("counts = %v, want 2 responses and 4 in flight", c)
	}
	a.Lose(9)
	if c := a.Current().Counts; c.Planned != 6 || c.Unknown != 4 {
		t.Errorf("lost counts = %v, want 4 unknown", c)
	}
	never := New(schedule.Unbounded, []string{""})
	never.Lose(9)
	if c := never.Current().Counts; c.Planned != 9 || c.Unknown != 9 {
		t.Errorf("counts of a worker that never sent a tally = %v, want 9 unknown", c)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	t.Parallel()
	row := []outcome.Outcome{{Status: 200}}
	good := func() *tally.Tally {
		var sum tally.Tally
		sum.Add(&row[0], "")
		sum.Records, sum.Counts.Pending, sum.Counts.Planned = 1, 1, 2
		return &sum
	}
	// A tally with its one second.
	snapshot := func(sum *tally.Tally) *tally.Snapshot {
		var second tally.Tally
		second.Add(&row[0], "")
		s := sum.Snapshot(true)
		s.Seconds = []tally.Second{{Second: 0, Tally: second.Snapshot(true)}}
		return s
	}
	for _, tt := range []struct {
		name   string
		change func(*tally.Tally)
	}{
		{"counts that do not add up", func(s *tally.Tally) { s.Counts.Pending = 7 }},
		{"another number of slots", func(s *tally.Tally) { s.Counts.Planned, s.Counts.Pending = 3, 2 }},
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
			a := New(2, []string{""})
			a.Outcomes(1, row)
			bad := good()
			tt.change(bad)
			a.Tally(2, snapshot(bad))
			if a.Fault == "" {
				t.Error("no fault")
			}
		})
	}
	a := New(2, []string{""})
	a.Outcomes(1, row)
	a.Tally(2, snapshot(good()))
	if a.Fault != "" {
		t.Errorf("a good tally has the fault %q", a.Fault)
	}
	a.Outcomes(4, row)
	if a.Fault == "" {
		t.Error("a gap is no fault")
	}
}
