package batch

import (
	"cmp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// event is something that happens to a leased shard.
type event struct {
	gap  time.Duration // after the one before
	what string
	row  outcome.Outcome // of a put
}

// drawEvents draws what happens, from the run's start on.
func drawEvents(t *rapid.T) []event {
	var now time.Duration
	slot := int64(0)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		e := event{
			gap:  rapid.SampledFrom([]time.Duration{0, 3 * ms, 40 * ms, 400 * ms, 1300 * ms}).Draw(t, "gap") + 1,
			what: rapid.SampledFrom([]string{"put", "put", "put", "put", "attach", "break", "stick", "acknowledge"}).Draw(t, "event"),
		}
		now += e.gap
		if e.what == "put" {
			e.row = drawOutcome(t, slot, now)
			slot++
		}
		return e
	}), 0, 40).Draw(t, "events")
}

// receiver is who listens to a leased shard, on one stream after the other.
type receiver struct {
	t        *rapid.T
	newest   int64 // tally, by its sequence
	counts   tally.Counts
	rows     map[int64]bool            // slots that came
	complete map[int64]*tally.Snapshot // seconds, as they were first told to be complete
	open     int64                     // seconds before it are not told for the first time any more
	acked    int64                     // seconds before it need not be told
	received map[int64]bool            // messages, by sequence
}

// take looks at what all listeners have got that is new, in the order of the sequence.
func (r *receiver) take(l *leasedLine) {
	var all []sent
	for _, s := range l.listeners {
		got := s.got()
		for i, m := range got {
			if i > 0 && m.GetSequence() != got[i-1].GetSequence()+1 {
				r.t.Fatalf("message %d came after %d on one stream", m.GetSequence(), got[i-1].GetSequence())
			}
			if (i == 0) != (m.GetStarted() != nil) {
				r.t.Fatalf("message %d of a stream is %v", i, m.FanOutResponse)
			}
			if i == 1 && m.GetTally() == nil && m.GetFinished() == nil {
				r.t.Fatalf("after started came %v, want a tally", m.FanOutResponse)
			}
			if !r.received[m.GetSequence()] {
				all = append(all, m)
			}
		}
	}
	slices.SortFunc(all, func(a, b sent) int { return cmp.Compare(a.GetSequence(), b.GetSequence()) })
	for _, m := range all {
		if r.received[m.GetSequence()] {
			r.t.Fatalf("message %d came twice", m.GetSequence())
		}
		r.received[m.GetSequence()] = true
		for _, o := range m.GetOutcomes().GetOutcomes() {
			if r.rows[o.GetSlot()] {
				r.t.Fatalf("slot %d came twice", o.GetSlot())
			}
			r.rows[o.GetSlot()] = true
		}
		if tallyOf(m) != nil && m.GetSequence() > r.newest { // an older one was slow on its stream
			r.newest = m.GetSequence()
			r.tally(wire.Snapshot(tallyOf(m)))
		}
	}
}

// tally holds a tally against the messages before it.
func (r *receiver) tally(s *tally.Snapshot) {
	c := s.Counts
	if !c.Closed() || c.Unknown != 0 || s.Records+s.Folded != c.Settled() || s.Records < int64(len(r.rows)) {
		r.t.Fatalf("tally = %v, %d in rows, %d folded, want what adds up to at least the %d rows that came", c, s.Records, s.Folded, len(r.rows))
	}
	if c.Responses < r.counts.Responses || c.Errors < r.counts.Errors || c.NotSent < r.counts.NotSent {
		r.t.Fatalf("tally = %v, which went back from %v", c, r.counts)
	}
	r.counts = c
	var sum int64
	told := map[int64]bool{}
	open := int64(-1)
	for _, second := range s.Seconds {
		told[second.Second] = true
		sum += second.Tally.Counts.Settled()
		before := r.complete[second.Second]
		switch {
		case before != nil:
			same(r.t, "second that was complete", second.Tally, before)
		case second.Second < r.open:
			r.t.Fatalf("second %d is told after a tally whose first open second was %d", second.Second, r.open)
		case second.Complete:
			r.complete[second.Second] = second.Tally
		case open < 0:
			open = second.Second
		}
	}
	r.open = max(r.open, open)
	for second, figures := range r.complete {
		if !told[second] {
			if second >= r.acked {
				r.t.Fatalf("second %d is not told any more, acknowledged are those before %d", second, r.acked)
			}
			sum += figures.Counts.Settled()
		}
	}
	if sum != c.Responses+c.Errors {
		r.t.Fatalf("the seconds have %d outcomes, the tally %v", sum, c)
	}
}

// acknowledge says that the seconds that are complete are kept.
func (r *receiver) acknowledge(l *leasedLine) {
	for r.complete[r.acked] != nil || r.acked < r.open {
		r.acked++
	}
	l.batcher.Acknowledge(r.acked)
}

// Whatever breaks and whoever attaches when, nothing is lost or counted twice: each tally is what came before it, and the last one is
// the outcomes that were put. Seconds are told until they are acknowledged, and do not change once they are complete.
func TestLeasedShardWhateverBreaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			// All draws come first: one may panic to end the check, and nothing may run then.
			events := drawEvents(rt)
			options := Options{Groups: groupNames, Fold: true, TallyOnly: rapid.Bool().Draw(rt, "tally only")}
			bound := rapid.SampledFrom([]int{maxQueued, 1000}).Draw(rt, "bound")
			delays := rapid.SliceOfN(rapid.SampledFrom([]int64{0, 0, 0, 1, 30, 700}), 1, 8).Draw(rt, "delays")
			l := newLeasedLine(schedule.Unbounded, options)
			l.queue.bound = bound
			close(l.begin)
			synctest.Wait()
			r := &receiver{
				t: rt, rows: map[int64]bool{}, complete: map[int64]*tally.Snapshot{}, received: map[int64]bool{},
			}
			defer l.leaveAll()
			var want tally.Tally
			for _, e := range events {
				time.Sleep(e.gap)
				synctest.Wait()
				last := len(l.listeners) - 1
				switch {
				case e.what == "put":
					want.Add(&e.row, groupNames[e.row.Request])
					l.put(e.row)
				case e.what == "attach":
					l.come(0, func(sequence int64) time.Duration { return time.Duration(delays[sequence%int64(len(delays))]) * ms })
				case e.what == "acknowledge":
					r.take(l)
					r.acknowledge(l)
				case last < 0:
				case e.what == "break":
					l.listeners[last].cancel()
				default:
					l.listeners[last].stuck.Store(true)
				}
			}
			synctest.Wait()
			r.take(l)
			if last := len(l.listeners) - 1; last >= 0 && l.listeners[last].stuck.Load() {
				l.listeners[last].cancel() // as the connection's keepalive does
			}
			final := sent{FanOutResponse: l.finish()}
			l.leaveAll()
			r.take(l)
			if !r.received[final.GetSequence()] {
				r.tally(wire.Snapshot(tallyOf(final)))
			}
			got := wire.Snapshot(tallyOf(final))
			want.Records, want.Folded, want.Stalled = got.Records, got.Folded, got.Stalled
			want.Counts.Planned = want.Counts.Settled()
			got.Seconds = nil
			same(rt, "final tally", got, want.Snapshot(true))
		})
	})
}
