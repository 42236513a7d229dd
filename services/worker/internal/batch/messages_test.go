package batch

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Rows go into messages in their order, as many into each as fit.
func TestFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 1000), rapid.IntRange(0, bulkBytes+1000)), 1, 50).Draw(t, "bodies")
		rows := make([]outcome.Outcome, len(sizes))
		for i := range rows {
			rows[i] = response(sizes[i])
		}
		for rest := rows; len(rest) > 0; {
			n := fits(rest)
			sum := 0
			for i := range rest[:n] {
				sum += size(&rest[i])
			}
			if n < 1 || n > 1 && sum > bulkBytes {
				t.Fatalf("fits() = %d rows of %d bytes, want at least one, and at most %d bytes", n, sum, bulkBytes)
			}
			if n < len(rest) && sum+size(&rest[n]) <= bulkBytes {
				t.Fatalf("fits() = %d rows of %d bytes, and the next one's %d would go in", n, sum, size(&rest[n]))
			}
			rest = rest[n:]
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
				if got, want := l.batcher.tally.Counts.Responses, min(tt.at, 2); got != want {
					t.Errorf("Tally() = %d responses, want %d", got, want)
				}
			})
		})
	}
}
