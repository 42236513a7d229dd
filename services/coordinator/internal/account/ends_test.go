package account

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// cut is an account that has got the first of a worker's messages only, and how many outcomes it has of them.
func cut(t *rapid.T, rows []outcome.Outcome) (a *Account, rest []message, settled int64) {
	messages, _ := stream(t, rows)
	a = granted(int64(len(rows)), groups...)
	n := rapid.IntRange(0, len(messages)-1).Draw(t, "received")
	for _, m := range messages[:n] {
		m.to(a)
	}
	return a, messages[n:], a.Settled()
}

// restored is the account that is made of what is stored of another.
func restored(t *rapid.T, a *Account) *Account {
	t.Helper()
	r := New(a.endless, groups)
	if err := r.Restore(a.Save(true), a.granted); err != nil {
		t.Fatalf("Restore() = %v, want no error", err)
	}
	return r
}

// A stream that breaks off anywhere leaves what was not reported unknown, and nothing else; what comes late makes the unknown
// less, until there is none.
func TestLostShard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		a, rest, settled := cut(t, rows)
		a.Lose()
		last := forward(t, a, tally.Counts{})
		if last.Unknown != int64(len(rows))-settled || last.Pending != 0 || last.InFlight != 0 {
			t.Fatalf("a lost shard = %v, of %d with %d settled", last, len(rows), settled)
		}
		for _, m := range rest {
			m.to(a)
			c := forward(t, a, last)
			if c.Unknown > last.Unknown || c.Unknown != int64(len(rows))-c.Settled() {
				t.Fatalf("a lost shard = %v after %v, want its unknown to be what is not settled", c, last)
			}
			last = c
		}
		if last.Unknown != 0 || a.Fault != "" || !a.finished {
			t.Fatalf("a lost shard that told all = %v, fault %q, complete %v", last, a.Fault, a.finished)
		}
		if want := sumOf(rows); a.Current().Counts != want.Counts {
			t.Fatalf("Current() = %v, want %v", a.Current().Counts, want.Counts)
		}
	})
}

// Of a process that died, what it had begun at most and has no outcome is unknown, and the others were not sent. Nothing changes
// that any more, nor does it change when it is stored.
func TestProcessThatDied(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		a, rest, settled := cut(t, rows)
		before := a.Current()
		if rapid.Bool().Draw(t, "lost before") {
			a.Lose()
		}
		claimed := rapid.Int64Range(0, int64(len(rows))+3).Draw(t, "claimed")
		a.Started(1) // by the process after it, whose sequence begins anew
		a.Died(claimed)
		a.Died(claimed + 1)
		want := before.Clone()
		want.Counts.Pending, want.Counts.InFlight = 0, 0
		most := max(min(claimed, int64(len(rows))), settled)
		want.Counts.Unknown = most - settled
		want.AddNotSent(outcome.NotSentLeaseLost, int64(len(rows))-most)
		forward(t, a, before.Counts)
		if a.Fault != "" || !a.finished {
			t.Fatalf("fault %q, complete %v", a.Fault, a.finished)
		}
		same(t, "account of a process that died", a.Current(), want)
		over, _ := a.TakeSeconds()
		wantSeconds(t, over, want)
		same(t, "stored account", restored(t, a).Current(), want)
		if len(rest) > 0 && !rest[0].final {
			rest[0].to(a) // of its old stream
			same(t, "account after a late message", a.Current(), want)
		}
	})
}

func wantSeconds(t *rapid.T, over map[int64]*tally.Tally, want *tally.Tally) {
	t.Helper()
	var sum tally.Counts
	for _, second := range over {
		sum.Responses += second.Counts.Responses
		sum.Errors += second.Counts.Errors
	}
	if sum.Responses != want.Counts.Responses || sum.Errors != want.Counts.Errors {
		t.Fatalf("the seconds have %v, the shard %v", sum, want.Counts)
	}
}

// The run's end fixes what is known of a shard that did not finish, for later lives too.
func TestEndOfAShardThatIsSilent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		a, _, settled := cut(t, rows)
		if rapid.Bool().Draw(t, "lost before") {
			a.Lose()
		}
		before := a.Current()
		a.End()
		a.End()
		forward(t, a, before.Counts)
		want := before.Clone()
		want.Counts.Pending, want.Counts.InFlight, want.Counts.Unknown = 0, 0, int64(len(rows))-settled
		if a.Fault != "" || !a.finished {
			t.Fatalf("fault %q, complete %v", a.Fault, a.finished)
		}
		same(t, "account at the end", a.Current(), want)
		over, _ := a.TakeSeconds()
		wantSeconds(t, over, want)
		same(t, "stored account", restored(t, a).Current(), want)
	})
}

// Slots that never reached the worker were not sent, for the reason that is given; those of a run without end are none.
func TestGrantsThatNeverArrived(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		endless bool
		want    tally.Counts
		folded  int64
	}{
		{"with an end", false, tally.Counts{Planned: 7, Responses: 3, NotSent: 4}, 4},
		{"without end", true, tally.Counts{Planned: 3, Responses: 3}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := New(tt.endless, []string{""})
			a.Grant(3)
			a.Started(1)
			a.Outcomes(2, responses(0, 3))
			a.Grant(4)
			a.Finished(3, ended(responses(0, 3), 0), 3, outcome.NotSentCancelled)
			got := a.Current()
			if got.Counts != tt.want || got.Folded != tt.folded || got.NotSent[outcome.NotSentCancelled] != tt.want.NotSent || a.Fault != "" {
				t.Errorf("Current() = %v, %d folded, fault %q, want %v, %d", got.Counts, got.Folded, a.Fault, tt.want, tt.folded)
			}
		})
	}
}

// Slots that are granted to a shard that is finished, before who grants knows of its end, never reach the worker.
func TestGrantAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*Account)
		want tally.Counts
	}{
		{"finished", func(a *Account) {
			a.Finished(3, ended(responses(0, 3), 0), 3, outcome.NotSentCancelled)
		}, tally.Counts{Planned: 7, Responses: 3, NotSent: 4}},
		{"its process died", func(a *Account) { a.Died(3) }, tally.Counts{Planned: 7, Responses: 3, NotSent: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := granted(3, "")
			a.Started(1)
			a.Outcomes(2, responses(0, 3))
			tt.end(a)
			a.Grant(4)
			if c := a.Current().Counts; c != tt.want || a.Fault != "" {
				t.Errorf("Current() = %v, fault %q, want %v", c, a.Fault, tt.want)
			}
		})
	}
}
