package engine_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// change is a concurrency that a call gets at a time after the run's start; less than 0: before Run.
type change struct {
	at time.Duration
	to int64
}

// The senders of a closed loop become as many as they may be: more at once, as far as the worker has room, and fewer as their slots
// end. What the new ones send is due when they begin.
func TestSetConcurrency(t *testing.T) {
	t.Parallel()
	const takes = 200 * ms
	for _, tt := range []struct {
		name    string
		load    plan.Load
		room    int64 // for senders beside the first ones
		changes []change
		grown   int64
		busy    []int64 // at 0.1, 0.3, 0.5, … s
		slots   int
	}{
		{"none", closedLoop(100, 950*ms), 9, nil, 2, []int64{2, 2, 2, 2, 2}, 10},
		{"more", closedLoop(100, 950*ms), 9, []change{{250 * ms, 4}}, 4, []int64{2, 4, 4, 4, 4}, 18},
		{"more than there is room for", closedLoop(100, 950*ms), 1, []change{{250 * ms, 4}}, 3, []int64{2, 3, 3, 3, 3}, 14},
		{"fewer", closedLoop(100, 950*ms), 9, []change{{250 * ms, 1}}, 2, []int64{2, 2, 1, 1, 1}, 7},
		{"fewer, then more", closedLoop(100, 950*ms), 9, []change{{250 * ms, 1}, {450 * ms, 3}}, 4, []int64{2, 2, 3, 3, 3}, 13},
		{"more, then fewer", closedLoop(100, 950*ms), 9, []change{{250 * ms, 4}, {470 * ms, 1}}, 4, []int64{2, 4, 4, 1, 1}, 12},
		{"more before the start", closedLoop(100, 950*ms), 9, []change{{-1, 4}}, 4, []int64{4, 4, 4, 4, 4}, 20},
		{"fewer before the start", closedLoop(100, 950*ms), 9, []change{{-1, 1}}, 1, []int64{1, 1, 1, 1, 1}, 5},
		{"more than slots", closedLoop(5, 950*ms), 9, []change{{50 * ms, 9}}, 9, []int64{5, 0, 0, 0, 0}, 5},
		{"of an open loop", openLoop(20, 20, 0), 9, []change{{270 * ms, 4}}, 4, []int64{2, 2, 4, 4, 4}, 20},
		{"of all at once", plan.Load{Requests: 2}, 9, []change{{50 * ms, 4}}, 2, []int64{2, 0, 0, 0, 0}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{
					load: tt.load, concurrency: 2, grown: tt.grown, takes: each(takes),
					admit: func(admitted int64) bool { return admitted < tt.room },
				}.stage()
				for _, change := range tt.changes {
					if change.at < 0 {
						c.SetConcurrency(change.to)
						continue
					}
					time.AfterFunc(change.at, func() { c.SetConcurrency(change.to) })
				}
				busy := make(chan []int64, 1)
				go func() {
					var all []int64
					for range tt.busy {
						time.Sleep(takes / 2)
						synctest.Wait()
						c.mu.Lock()
						all = append(all, c.ledger.busy)
						c.mu.Unlock()
						time.Sleep(takes / 2)
					}
					busy <- all
				}()
				c.play(t.Context())
				c.check(t)
				if got := <-busy; !slices.Equal(got, tt.busy) {
					t.Errorf("busy senders = %v, want %v", got, tt.busy)
				}
				if len(c.delivered) != tt.slots {
					t.Errorf("slots sent = %d, want %d: %s", len(c.delivered), tt.slots, c.account())
				}
				if most := c.Senders(); most != slices.Max(tt.busy) && tt.name != "more than slots" {
					t.Errorf("Senders() = %d, want %d", most, slices.Max(tt.busy))
				}
			})
		})
	}
}

// A change after the end starts nobody.
func TestSetConcurrencyAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(300 * ms)}.stage()
		time.AfterFunc(100*ms, c.Stop)
		time.AfterFunc(200*ms, func() { c.SetConcurrency(9) })
		c.play(t.Context())
		c.SetConcurrency(20)
		c.check(t)
		if c.made != 2 || len(c.sent) != 2 {
			t.Errorf("senders = %d, slots sent = %d, want 2", c.made, len(c.sent))
		}
	})
}
