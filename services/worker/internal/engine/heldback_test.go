package engine_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// A slot that is due while the call can have no more senders is held back, also one that nobody ever claims; and it is known
// whether it was the plan that allowed no more, or the worker.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	never := func(int64) bool { return false }
	for _, tt := range []struct {
		name        string
		concurrency int64
		capped      bool
		admit       func(int64) bool
		crowded     time.Duration // until when too many connections are being opened
		takes       time.Duration // at a slot each 100 ms, of ten
		patience    time.Duration
		stop        time.Duration // 0: not at all
		want        int64
		wantCapped  int64
	}{
		{name: "senders are free", concurrency: 100, takes: 750 * ms},
		{name: "one is enough", concurrency: 1, takes: 90 * ms},
		{name: "the plan's one is busy", concurrency: 1, takes: 750 * ms, want: 9},
		{name: "the worker takes one", concurrency: 1, capped: true, takes: 750 * ms, want: 9, wantCapped: 9},
		{name: "the worker has one left", concurrency: 100, admit: never, takes: 750 * ms, want: 9, wantCapped: 9},
		{name: "too many connections are being opened", concurrency: 100, crowded: 450 * ms, takes: 250 * ms, want: 2, wantCapped: 2},
		{name: "a target that stalls", concurrency: 1, takes: 5 * second, stop: 2 * second, want: 9},
		{name: "a worker that takes one, and a target that stalls", concurrency: 1, capped: true, takes: 5 * second, stop: 2 * second, want: 9, wantCapped: 9},
		{name: "stopped before the others were due", concurrency: 1, takes: 5 * second, stop: 450 * ms, want: 4},
		{name: "given up", concurrency: 1, takes: 5 * second, patience: 50 * ms, stop: 2 * second, want: 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				c := scene{
					crowded: func() bool { return time.Since(begun) < tt.crowded },
					load:    patient(10, 10, tt.patience), concurrency: tt.concurrency, capped: tt.capped, admit: tt.admit, takes: each(tt.takes),
				}.stage()
				if tt.stop > 0 {
					time.AfterFunc(tt.stop, c.Stop)
				}
				c.play(t.Context())
				c.check(t)
				c.ClaimLate()
				if all, capped := c.HeldBack(); all != tt.want || capped != tt.wantCapped {
					t.Errorf("HeldBack() = %d, %d, want %d, %d", all, capped, tt.want, tt.wantCapped)
				}
			})
		})
	}
}
