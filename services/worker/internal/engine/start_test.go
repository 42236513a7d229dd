package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// loads is one of each kind.
var loads = []struct {
	name string
	load plan.Load
}{
	{"closed loop", closedLoop(20, 0)},
	{"closed loop with a duration", closedLoop(0, second)},
	{"open loop", openLoop(10, 20, 0)},
	{"all at once", plan.Load{Requests: 20}},
}

// The first slot is sent at the run's start, not before; until then there is not even a sender.
func TestNothingIsSentBeforeTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range loads {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{load: tt.load, concurrency: 20, takes: each(300 * ms), delay: time.Hour}.stage()
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.Run(t.Context())
				}()
				time.Sleep(time.Hour - 1)
				synctest.Wait()
				if _, claimed := c.Position(); claimed != 0 || c.senders() != 0 {
					t.Errorf("before the start there are %d slots claimed and %d senders, want none", claimed, c.senders())
				}
				<-done
				c.check(t)
				if got, ok := c.sent[0]; !ok || got != 0 {
					t.Errorf("slot 0 was sent %v after the start (%v), want at once", got, ok)
				}
			})
		})
	}
}

// A call that ends before its start returns at once, has sent nothing, and says why.
func TestEndBeforeTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		ends time.Duration // after Run was called; less than 0: before it
		end  func(*call, context.CancelFunc)
		want outcome.Reason
	}{
		{"Stop", second, stop, outcome.NotSentCancelled},
		{"Drain", second, drain, outcome.NotSentLeaseLost},
		{"CutAt", second, cutHere, outcome.NotSentRunEnded},
		{"context", second, cancelIt, outcome.NotSentCancelled},
		{"Stop before Run", -1, stop, outcome.NotSentCancelled},
		{"Drain before Run", -1, drain, outcome.NotSentLeaseLost},
		{"context before Run", -1, cancelIt, outcome.NotSentCancelled},
	} {
		for _, kind := range loads {
			t.Run(tt.name+" of "+kind.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := scene{load: kind.load, concurrency: 20, takes: each(300 * ms), delay: time.Hour}.stage()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if tt.ends < 0 {
						tt.end(c, cancel)
					} else {
						timer := time.AfterFunc(tt.ends, func() { tt.end(c, cancel) })
						defer timer.Stop()
					}
					if got, want := c.play(ctx), max(tt.ends, 0)-time.Hour; got != want {
						t.Errorf("Run returned %v after the start, want %v", got, want)
					}
					c.check(t)
					if _, claimed := c.Position(); claimed != 0 || c.made != 0 {
						t.Errorf("the call has %d slots claimed and %d senders, want none", claimed, c.made)
					}
					if got := c.NotSent(); got != tt.want {
						t.Errorf("NotSent() = %v, want %v", got, tt.want)
					}
				})
			})
		}
	}
}

// A stopped call whose start has come already does not start either.
func TestStopBeforeRun(t *testing.T) {
	t.Parallel()
	for _, kind := range loads {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{load: kind.load, concurrency: 20, takes: each(300 * ms)}.stage()
				c.Stop()
				if took := c.play(t.Context()); took != 0 || len(c.sent) != 0 {
					t.Errorf("Run took %v and sent %d slots, want none", took, len(c.sent))
				}
				c.check(t)
			})
		})
	}
}

// An end that has passed when the call runs holds before the first sender starts.
func TestEndThatHasPassed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		scene scene
		end   func(*call, context.CancelFunc)
	}{
		{"the load's end", scene{load: closedLoop(100, second), delay: -1500 * ms}, nothing},
		{"CutAt", scene{load: closedLoop(100, 0)}, cutBefore},
		{"context", scene{load: closedLoop(100, 0)}, cancelIt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 50 {
				synctest.Test(t, func(t *testing.T) {
					tt.scene.concurrency, tt.scene.takes = 2, each(300*ms)
					c := tt.scene.stage()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					tt.end(c, cancel)
					c.play(ctx)
					c.check(t)
					if len(c.sent) != 0 {
						t.Errorf("slots sent = %d, want none: %s", len(c.sent), c.account())
					}
				})
			}
		})
	}
}
