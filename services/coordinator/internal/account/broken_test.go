package account

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// link is the way from a worker to an account, over streams that break, of a coordinator that is started again.
type link struct {
	t        *rapid.T
	account  *Account
	up       bool                   // what is sent arrives
	arrived  []message              // some of which come again
	lost     []message              // some of which come late
	received int64                  // rows that arrived
	taken    map[int64]*tally.Tally // seconds
	last     tally.Counts
}

func (l *link) send(m message) {
	if !l.up {
		l.lost = append(l.lost, m)
		return
	}
	m.to(l.account)
	l.received += int64(len(m.rows))
	l.arrived = append(l.arrived, m)
	l.last = forward(l.t, l.account, l.last)
}

// again brings what has come already, and what was lost and has been overtaken.
func (l *link) again() {
	for _, all := range [][]message{l.arrived, l.lost} {
		if len(all) == 0 || !l.up || len(l.arrived) == 0 {
			continue
		}
		m := all[rapid.IntRange(0, len(all)-1).Draw(l.t, "again")]
		if m.sequence < l.arrived[len(l.arrived)-1].sequence {
			m.to(l.account)
			l.last = forward(l.t, l.account, l.last)
		}
	}
}

// take takes the seconds that are complete, as they are stored: nothing comes twice. It says what may be acknowledged.
func (l *link) take() int64 {
	over, before := l.account.TakeSeconds()
	for second, figures := range over {
		if l.taken[second] != nil {
			l.t.Fatalf("second %d was taken twice", second)
		}
		l.taken[second] = figures
	}
	return before
}

// restart saves the account and goes on with another that was made of it. Rows after the tally are not in it.
func (l *link) restart() {
	l.take()
	saved := l.account.Save(true)
	restored := New(false, groups)
	if err := restored.Restore(saved, l.account.granted); err != nil {
		l.t.Fatalf("Restore() = %v, want no error", err)
	}
	l.account, l.up, l.received, l.arrived = restored, false, saved.Rows, nil
	l.last = forward(l.t, l.account, tally.Counts{})
}

// Whatever breaks, comes again, comes late or is restored in the middle: the account at the end is that of the rows, what was
// lost is what was sent and did not arrive, and each second was taken once.
func TestAccountWhateverBreaks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows := drawOutcomes(t)
		unknown := int64(rapid.IntRange(0, 5).Draw(t, "slots that never reach the worker"))
		all := rows
		w := newWorker(int64(len(rows)))
		l := &link{t: t, account: granted(w.granted+unknown, groups...), up: true, taken: map[int64]*tally.Tally{}}
		attached := true // as far as the worker knows
		l.send(w.started())
		attach := func() {
			attached, l.up = true, true
			l.send(w.started())
			l.up = !rapid.Bool().Draw(t, "breaks at once")
			l.send(w.tally(w.first))
		}
		for len(rows) > 0 {
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0:
				l.up = false // the worker does not notice yet
			case 1:
				l.up, attached = false, false
			case 2:
				attach()
			case 3:
				if attached {
					l.send(w.tally(w.first + int64(rapid.IntRange(0, 2).Draw(t, "seconds"))))
				}
			case 4:
				l.restart()
			case 5:
				l.again()
			case 6:
				w.acknowledge(l.take())
			default:
				n := rapid.IntRange(1, len(rows)).Draw(t, "batch")
				if m, ok := w.take(rows[:n], !attached || rapid.IntRange(0, 4).Draw(t, "no room") == 0); ok {
					l.send(m)
				}
				rows = rows[n:]
			}
		}
		l.up = true
		l.send(w.started())
		if rapid.Bool().Draw(t, "with a tally before the end") {
			l.send(w.tally(w.first))
		}
		l.send(w.finished())
		l.again()
		if rapid.Bool().Draw(t, "restart at the end") {
			l.restart()
		}
		l.take()
		a := l.account
		if a.Fault != "" || !a.finished {
			t.Fatalf("fault %q, complete %v", a.Fault, a.finished)
		}
		want := sumOf(all)
		want.Folded, want.Records, want.Lost = w.sum.Folded+unknown, w.sum.Records, w.sum.Records-l.received
		want.AddNotSent(outcome.NotSentRunEnded, unknown)
		want.Counts.Planned += unknown
		same(t, "account", a.Current(), want)
		for second, cell := range w.cells {
			same(t, "second", l.taken[second], cell)
		}
		if len(l.taken) != len(w.cells) {
			t.Fatalf("%d seconds were taken, want %d", len(l.taken), len(w.cells))
		}
	})
}
