package batch

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// inBubble is a test as rapid sees it within a bubble, where nobody may ask a testing.T for its deadline.
type inBubble struct{ testing.TB }

// groupNames is the groups of the requests of a random call.
var groupNames = []string{"", "read", "write", "read"}

// drawOutcome draws an outcome that comes about after that much of the run.
func drawOutcome(t *rapid.T, slot int64, now time.Duration) outcome.Outcome {
	o := outcome.Outcome{Slot: slot, Request: rapid.Int32Range(0, int32(len(groupNames))-1).Draw(t, "request")}
	due, sent := drawSpan(t, "due", now), drawSpan(t, "sent", now)
	if due > sent {
		due, sent = sent, due
	}
	o.Due = due
	switch rapid.SampledFrom([]string{"response", "error", "not sent"}).Draw(t, "end") {
	case "not sent":
		o.NotSent = rapid.SampledFrom(outcome.Reasons()).Draw(t, "reason")
		return o
	case "error":
		o.Error = rapid.SampledFrom(outcome.Classes()[:3]).Draw(t, "class")
		o.Message = rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "message")
	default:
		o.Status = rapid.Int32Range(200, 203).Draw(t, "status")
		o.FirstByte = drawSpan(t, "first byte", now-sent)
		o.ReceivedBytes = rapid.Int64Range(0, 1000).Draw(t, "received")
	}
	o.Lateness, o.Service = sent-due, now-sent
	o.SentBytes = rapid.Int64Range(0, 1000).Draw(t, "sent bytes")
	return o
}

func drawSpan(t *rapid.T, label string, most time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(0, int64(max(most, 0))).Draw(t, label))
}

// ledger is what the receiver of a stream has: the sum of the rows so far, and that of each second.
type ledger struct {
	sum     tally.Tally
	seconds map[int64]*tally.Tally // from the rows
	said    map[int64]*tally.Snapshot
	over    int64 // seconds below it are not said again
}

func (l *ledger) add(o outcome.Outcome) {
	l.sum.Add(&o, groupNames[o.Request])
	l.sum.Records++
	if o.NotSent != outcome.Sent {
		return
	}
	second := o.Second()
	if l.seconds[second] == nil {
		l.seconds[second] = new(tally.Tally)
	}
	l.seconds[second].Add(&o, "")
}

// equateBytes compares buckets in one go: cmp goes over slices element by element.
var equateBytes = cmp.FilterValues(func(a, b []byte) bool { return len(a)+len(b) > 0 }, cmp.Comparer(bytes.Equal))

// same fails unless two snapshots are the same, their histograms' buckets included.
func same(t *rapid.T, what string, got, want *tally.Snapshot) {
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), equateBytes); diff != "" {
		t.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// check holds a tally against the rows before it.
func (l *ledger) check(t *rapid.T, m sent) {
	got := wire.Snapshot(tallyOf(m))
	seconds := got.Seconds
	got.Seconds = nil
	if !got.Counts.Closed() || got.Counts.Unknown != 0 {
		t.Fatalf("tally %d = %v, want counts that add up", m.GetSequence(), got.Counts)
	}
	want := l.sum.Snapshot(true)
	if settled := want.Counts.Settled(); got.Counts.Settled() != settled {
		t.Fatalf("tally %d = %d settled, want the %d rows before it", m.GetSequence(), got.Counts.Settled(), settled)
	}
	// Where the other slots are, the call knows.
	want.Counts.Planned, want.Counts.Pending, want.Counts.InFlight = got.Counts.Planned, got.Counts.Pending, got.Counts.InFlight
	want.Stalled = got.Stalled
	same(t, "tally", got, want)
	for _, second := range seconds {
		rows := l.seconds[second.Second]
		if rows == nil {
			rows = new(tally.Tally)
		}
		same(t, "second", second.Tally, rows.Snapshot(true))
		if second.Second < l.over {
			t.Fatalf("tally %d has second %d, which was over for good", m.GetSequence(), second.Second)
		}
		l.said[second.Second] = second.Tally
	}
	if len(seconds) > 0 {
		l.over = seconds[0].Second
	}
}

// A tally is the sum of exactly the rows in messages of lower sequence, and of each second the newest word is the whole of
// it, whatever comes when, and however slow the stream is.
func TestTallyCoversTheRowsBeforeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(inBubble{t}, func(rt *rapid.T) {
			// All draws come first: one may panic to end the check, and nothing may run then.
			slots := rapid.SampledFrom([]int64{schedule.Unbounded, 1000}).Draw(rt, "slots")
			delays := rapid.SliceOfN(rapid.SampledFrom([]int64{0, 0, 0, 1, 30, 700}), 1, 8).Draw(rt, "delays")
			before := drawSpan(rt, "run's time at the beginning", 2*time.Second)
			var moments []time.Duration
			rows, now := make([]outcome.Outcome, rapid.IntRange(0, 40).Draw(rt, "rows")), before
			for slot := range rows {
				gap := rapid.SampledFrom([]time.Duration{0, ms, 3 * ms, 40 * ms, 400 * ms}).Draw(rt, "gap")
				now += gap + 1 // never at the same moment as a timer
				moments = append(moments, now)
				rows[slot] = drawOutcome(rt, int64(slot), now)
			}
			l := newLine(slots, time.Now().Add(-before), groupNames...)
			l.delay = func(sequence int64) time.Duration { return time.Duration(delays[sequence%int64(len(delays))]) * ms }
			l.run()
			for i, at := range moments {
				l.sleepUntil(at - before)
				l.put(rows[i])
			}
			close(l.done)
			if err := <-l.ended; err != nil {
				rt.Fatalf("Run() = %v, want no error", err)
			}
			if err := l.batcher.Finish(nil); err != nil {
				rt.Fatalf("Finish() = %v, want no error", err)
			}
			wantAccount(rt, l)
		})
	})
}

// wantAccount reads all that the line sent.
func wantAccount(t *rapid.T, l *line) {
	all := ledger{seconds: map[int64]*tally.Tally{}, said: map[int64]*tally.Snapshot{}}
	for i, m := range l.messages {
		if m.GetSequence() != int64(i+1) {
			t.Fatalf("message %d has the sequence %d", i+1, m.GetSequence())
		}
		for _, o := range m.GetOutcomes().GetOutcomes() {
			all.add(wire.Outcome(o))
		}
		if tallyOf(m) != nil {
			all.check(t, m)
		}
	}
	if _, claimed := l.Position(); all.sum.Records != claimed {
		t.Fatalf("rows = %d, want the %d that were put", all.sum.Records, claimed)
	}
	for second, rows := range all.seconds {
		if all.said[second] == nil {
			t.Fatalf("second %d has rows, and no tally has it", second)
		}
		same(t, "last word on a second", all.said[second], rows.Snapshot(true))
	}
}

// A tally comes every 500 ms, with outcomes or without, and says where the slots are.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		slots int64
		want  []tally.Counts // at 500 ms, 1 s, 1.5 s
	}{
		{"ten slots", 10, []tally.Counts{
			{Planned: 10, Pending: 10},
			{Planned: 10, Pending: 5, InFlight: 3, Responses: 2},
			{Planned: 10, Pending: 5, InFlight: 1, Responses: 4},
		}},
		{"no end", schedule.Unbounded, []tally.Counts{
			{},
			{Planned: 5, InFlight: 3, Responses: 2},
			{Planned: 5, InFlight: 1, Responses: 4},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLine(tt.slots, time.Now())
				l.run()
				l.sleepUntil(600 * ms)
				l.claim(5)
				for _, at := range []time.Duration{700 * ms, 998 * ms, 1200 * ms, 1300 * ms} {
					l.sleepUntil(at)
					o := response(0)
					l.queue.Put(&o)
				}
				l.sleepUntil(1700 * ms)
				l.close(t)
				tallies := l.tallies()
				if len(tallies) != len(tt.want) {
					t.Fatalf("tallies = %d, want %d", len(tallies), len(tt.want))
				}
				for i, m := range tallies {
					if want := time.Duration(i+1) * checkpointInterval; m.at != want {
						t.Errorf("tally %d came at %v, want %v", i, m.at, want)
					}
					if got := wire.Snapshot(m.GetTally()).Counts; got != tt.want[i] {
						t.Errorf("tally %d = %v, want %v", i, got, tt.want[i])
					}
				}
			})
		})
	}
}

// What is queued when a checkpoint comes goes out before its tally.
func TestCheckpointSendsWhatIsQueued(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := unbounded()
		l.delay = func(int64) time.Duration { return 50 * ms }
		l.sleepUntil(470 * ms)
		l.put(response(0)) // under way until 520 ms
		l.sleepUntil(480 * ms)
		l.put(response(0))
		l.sleepUntil(700 * ms)
		l.close(t)
		if got := l.tallies()[0].GetTally().GetRecordsCount(); got != 2 {
			t.Errorf("records of the first tally = %d, want 2", got)
		}
	})
}
