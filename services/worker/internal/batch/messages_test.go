package batch

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Rows go into messages in their order, none of which is longer than it may be unless it is a single row's.
func TestLongMessagesAreSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 1000), rapid.IntRange(0, messageBytes+1000)), 1, 20).Draw(t, "bodies")
		rows := make([]outcome.Outcome, len(sizes))
		for i := range rows {
			rows[i] = response(sizes[i])
			rows[i].Slot = int64(i)
		}
		l := newLine(int64(len(rows)), time.Now())
		if err := l.batcher.batch(rows); err != nil {
			t.Fatalf("batch() = %v, want no error", err)
		}
		next, before := int64(0), 0 // size of the message before
		for _, m := range l.messages {
			batch := m.GetOutcomes()
			bytes := proto.Size(batch)
			if n := len(batch.GetOutcomes()); n < 1 || n > 1 && bytes > messageBytes {
				t.Fatalf("message = %d rows of %d bytes, want at least one, and at most %d bytes", n, bytes, messageBytes)
			}
			first := proto.Size(batch.GetOutcomes()[0])
			if next > 0 && before+first+600 < messageBytes { // a row is taken for somewhat longer than it is
				t.Fatalf("message of %d bytes is followed by a row of %d, want them together", before, first)
			}
			before = bytes
			for _, o := range batch.GetOutcomes() {
				if o.GetSlot() != next {
					t.Fatalf("slot %d comes after %d slots, want them in order", o.GetSlot(), next)
				}
				next++
			}
		}
		if next != int64(len(rows)) {
			t.Fatalf("rows = %d, want %d", next, len(rows))
		}
	})
}

// The order of a queue's outcomes is that of the stream, over all its messages.
func TestOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows = 3000
		l := newLine(rows, time.Now())
		l.run()
		for slot := range int64(rows) {
			if slot%37 == 0 {
				time.Sleep(ms)
			}
			o := response(int(slot % 700))
			o.Slot = slot
			l.put(o)
		}
		l.close(t)
		next := int64(0)
		for i, m := range l.messages {
			if m.GetSequence() != int64(i+1) {
				t.Errorf("sequence of message %d = %d, want %d", i, m.GetSequence(), i+1)
			}
			for _, o := range m.GetOutcomes().GetOutcomes() {
				if o.GetSlot() != next {
					t.Fatalf("slot %d comes after %d slots, want them in order", o.GetSlot(), next)
				}
				next++
			}
		}
		if next != rows {
			t.Errorf("rows = %d, want %d", next, rows)
		}
	})
}

// A message that cannot be sent ends Run with the stream's error, whichever message it is.
func TestBrokenStream(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		at   int64 // the message that fails
		want time.Duration
	}{
		{"the first outcomes", 1, 100 * ms},
		{"later outcomes", 2, 105 * ms},
		{"a tally", 3, 500 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := unbounded()
				l.breaksAt = tt.at
				for _, at := range []time.Duration{100 * ms, 101 * ms} {
					time.AfterFunc(at, func() { l.put(response(0)) })
				}
				if err := <-l.ended; !errors.Is(err, errBroken) {
					t.Errorf("Run() = %v, want %v", err, errBroken)
				}
				if got := time.Since(l.made); got != tt.want {
					t.Errorf("Run returned after %v, want %v", got, tt.want)
				}
				if got, want := l.batcher.Counts().Responses, min(tt.at, 2); got != want {
					t.Errorf("Tally() = %d responses, want %d", got, want)
				}
			})
		})
	}
}
