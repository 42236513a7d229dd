package batch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// standsStill is a stream that takes its first message only after that long.
func standsStill(d time.Duration) func(int64) time.Duration {
	return func(sequence int64) time.Duration {
		if sequence == 1 {
			return d
		}
		return 0
	}
}

// finish ends the line and is its last tally.
func (l *line) finish(t testing.TB) *tally.Snapshot {
	t.Helper()
	l.close(t)
	if err := l.batcher.Finish(nil); err != nil {
		t.Fatalf("Finish() = %v, want no error", err)
	}
	return wire.Snapshot(tallyOf(l.messages[len(l.messages)-1]))
}

// held is what the queue holds: outcomes, their bytes, and the seconds of folded ones.
func (l *line) held() (rows, bytes, seconds int) {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	return len(l.queue.rows), l.queue.bytes, len(l.queue.folded.cells.Seconds())
}

// responsesBySecond is the responses of each second by the last word on it.
func (l *line) responsesBySecond() map[int64]int64 {
	all := map[int64]int64{}
	for _, m := range l.tallies() {
		for _, second := range tallyOf(m).GetSeconds() {
			all[second.GetSecond()] = second.GetTally().GetCounts().GetResponses()
		}
	}
	return all
}

// Where outcomes are folded nobody ever waits for a stream that stands still, and nothing is missing from the tally: counts,
// groups and seconds are those of all outcomes, and what was folded is told.
func TestFoldNeverWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, o := newLineWith(Options{Groups: []string{"a"}, Fold: true}, schedule.Unbounded, time.Now()), large()
		l.delay = standsStill(10 * time.Second)
		l.run()
		l.sleepUntil(100 * ms)
		l.put(cameAt(100 * ms)) // is under way for 10 s
		synctest.Wait()
		queued := fill(l.queue, o)
		begin := time.Now()
		const folded = 1000
		for i := range folded {
			l.put(cameAt(time.Second + time.Duration(i)*5*ms))
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("putting into a full queue took %v, want no time at all", took)
		}
		l.put(outcome.Outcome{NotSent: outcome.NotSentCancelled})
		l.sleepUntil(11 * time.Second)
		last := l.finish(t)
		if c := last.Counts; c.Responses != int64(1+queued+folded) || c.NotSent != 1 || !c.Closed() {
			t.Errorf("counts = %v, want %d responses and 1 not sent", c, 1+queued+folded)
		}
		if last.Folded != folded+1 || last.Records != int64(queued+1) || last.Stalled != 0 {
			t.Errorf("folded %d, records %d, stalled %v, want %d, %d and none", last.Folded, last.Records, last.Stalled, folded+1, queued+1)
		}
		if g := last.Groups["a"].Counts; g.Responses != int64(1+queued+folded) || g.NotSent != 1 {
			t.Errorf("counts of the group = %v, want those of all", g)
		}
		want := fmt.Sprint(map[int64]int64{0: int64(1 + queued), 1: 200, 2: 200, 3: 200, 4: 200, 5: 200, 10: 0, 11: 0})
		if got := fmt.Sprint(l.responsesBySecond()); got != want {
			t.Errorf("responses by the second = %s, want %s", got, want)
		}
	})
}

// A stream that stands still for long costs the queue's bound and two minutes of seconds, however much comes about meanwhile.
func TestFoldIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, o := newLineWith(Options{Groups: []string{""}, Fold: true}, schedule.Unbounded, time.Now()), large()
		l.delay = standsStill(time.Hour)
		l.run()
		l.put(response(0))
		synctest.Wait()
		queued := fill(l.queue, o)
		const (
			seconds = 3000
			each    = 20
		)
		for second := range seconds {
			l.sleepUntil(time.Duration(second)*time.Second + 500*ms)
			for range each {
				l.put(cameAt(time.Duration(second) * time.Second))
			}
		}
		rows, bytes, apart := l.held()
		if rows != queued || bytes > maxQueued+1<<20+outcomeSize {
			t.Errorf("%d outcomes of %d bytes wait, want the %d that filled the queue", rows, bytes, queued)
		}
		if apart != maxFolded {
			t.Errorf("%d seconds are told apart, want %d", apart, maxFolded)
		}
		l.sleepUntil(time.Hour + time.Minute)
		last := l.finish(t)
		if c := last.Counts; c.Responses != int64(1+queued+seconds*each) || last.Folded != seconds*each {
			t.Errorf("counts = %v with %d folded, want %d responses with %d", c, last.Folded, 1+queued+seconds*each, seconds*each)
		}
		by := l.responsesBySecond()
		for second := range int64(maxFolded - 1) {
			want := int64(each)
			if second == 0 {
				want += int64(1 + queued)
			}
			if by[second] != want {
				t.Errorf("second %d has %d responses, want %d", second, by[second], want)
			}
		}
		if want := int64((seconds - maxFolded + 1) * each); by[maxFolded-1] != want {
			t.Errorf("second %d has %d responses, want the %d of it and of all after it", maxFolded-1, by[maxFolded-1], want)
		}
	})
}

// Whatever comes when, however slow the stream is and however little may wait for it: with FOLD and without rows no sender
// waits, and every tally and every second is exact.
func TestFoldedOutcomesAreInTheTally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			options := rapid.SampledFrom([]Options{{Fold: true}, {TallyOnly: true}, {Fold: true, TallyOnly: true}}).Draw(rt, "options")
			options.Groups = groupNames
			bound := rapid.IntRange(1, 3000).Draw(rt, "bound")
			delays := rapid.SliceOfN(rapid.SampledFrom([]int64{0, 0, 30, 700, 2500}), 1, 8).Draw(rt, "delays")
			var moments []time.Duration
			rows, now := make([]outcome.Outcome, rapid.IntRange(0, 60).Draw(rt, "rows")), time.Duration(0)
			for slot := range rows {
				now += rapid.SampledFrom([]time.Duration{0, ms, 3 * ms, 40 * ms, 400 * ms}).Draw(rt, "gap") + 1
				moments = append(moments, now)
				rows[slot] = drawOutcome(rt, int64(slot), now)
			}
			l := newLineWith(options, schedule.Unbounded, time.Now())
			if options.Fold {
				l.queue.bound = bound
			}
			l.delay = func(sequence int64) time.Duration { return time.Duration(delays[sequence%int64(len(delays))]) * ms }
			l.run()
			for i, at := range moments {
				l.sleepUntil(at)
				l.put(rows[i])
				if late := time.Since(l.made) - at; late != 0 {
					rt.Fatalf("slot %d waited %v, want no time at all", i, late)
				}
			}
			wantFolded(rt, options, l.finish(t), l, rows)
		})
	})
}

// wantFolded checks what the line sent against the outcomes that were put into it.
func wantFolded(t *rapid.T, options Options, got *tally.Snapshot, l *line, rows []outcome.Outcome) {
	var (
		want    tally.Tally
		seconds = map[int64]*tally.Tally{}
		listed  = 0
	)
	for i := range rows {
		want.Add(&rows[i], groupNames[rows[i].Request])
		if second := rows[i].Second(); rows[i].NotSent == outcome.Sent {
			if seconds[second] == nil {
				seconds[second] = new(tally.Tally)
			}
			seconds[second].Add(&rows[i], "")
		}
	}
	said := map[int64]*tally.Snapshot{}
	for _, m := range l.messages {
		listed += m.rows()
		if tallyOf(m) == nil {
			continue
		}
		s := wire.Snapshot(tallyOf(m))
		if settled := s.Counts.Settled(); !s.Counts.Closed() || s.Records != int64(listed) || s.Records+s.Folded != settled {
			t.Fatalf("tally %d = %v with %d in batches and %d folded, want %d in batches and closed counts",
				m.GetSequence(), s.Counts, s.Records, s.Folded, listed)
		}
		for _, second := range s.Seconds {
			said[second.Second] = second.Tally
		}
	}
	if options.TallyOnly && listed > 0 {
		t.Fatalf("%d outcomes are listed, want none", listed)
	}
	want.Counts.Planned = int64(len(rows))
	want.Records, want.Folded = int64(listed), int64(len(rows)-listed)
	got.Seconds = nil
	same(t, "final tally", got, want.Snapshot(true))
	for second, rows := range seconds {
		if said[second] == nil {
			t.Fatalf("second %d has outcomes, and no tally has it", second)
		}
		same(t, "last word on a second", said[second], rows.Snapshot(true))
	}
}

// Without rows there are a tally every 500 ms and the last one, and nobody is woken for anything else but a queue that has filled
// up a little. What was never claimed is folded as well, however much time there is.
func TestTallyOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const slots = 10_000
		l := newLineWith(Options{Groups: []string{"g"}, TallyOnly: true}, slots, time.Now())
		l.run()
		for i := range 6000 {
			l.put(cameAt(time.Duration(i) * ms / 4))
			time.Sleep(ms / 4)
		}
		if rows, _, _ := l.held(); rows >= bulkRows {
			t.Errorf("%d outcomes wait in the queue, want fewer than %d", rows, bulkRows)
		}
		l.close(t)
		slowest := time.Now().Add(time.Hour)
		if err := l.batcher.Rest(tenASecond(), schedule.Whole(slots), outcome.NotSentRunEnded, slowest); err != nil {
			t.Fatalf("Rest() = %v, want no error", err)
		}
		if err := l.batcher.Finish(nil); err != nil {
			t.Fatalf("Finish() = %v, want no error", err)
		}
		for i, m := range l.messages {
			if last := i == len(l.messages)-1; m.rows() > 0 || tallyOf(m) == nil || (m.GetFinished() != nil) != last {
				t.Errorf("message %d = %v, want a tally", i+1, m)
			}
		}
		if got, want := len(l.messages), 4; got < want-1 || got > want { // in 1.5 s; the last checkpoint and the end are at one moment
			t.Errorf("%d messages, want %d", got, want)
		}
		last := tallyOf(l.messages[len(l.messages)-1])
		if c := last.GetCounts(); c.GetResponses() != 6000 || c.GetNotSent() != 4000 || last.GetFoldedCount() != slots || last.GetRecordsCount() != 0 {
			t.Errorf("the last tally = %v, %d folded, %d in batches, want 6000 responses, 4000 not sent, all folded",
				c, last.GetFoldedCount(), last.GetRecordsCount())
		}
		if g := last.GetGroups()["g"].GetCounts(); g.GetResponses() != 6000 {
			t.Errorf("counts of the group = %v, want 6000 responses", g)
		}
	})
}
