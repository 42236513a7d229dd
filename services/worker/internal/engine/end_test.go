package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// ending is how a call comes to its end.
type ending struct {
	name  string
	scene scene
	grace *time.Duration // of the load
	ends  time.Duration  // when end is called
	end   func(c *call, cancel context.CancelFunc)

	took    time.Duration // from the run's start until Run returned
	account string
	left    int64 // slots that nobody claimed; -1 is without end
	reason  outcome.Reason
}

func grace(d time.Duration) *time.Duration { return &d }

func stop(c *call, _ context.CancelFunc)          { c.Stop() }
func drain(c *call, _ context.CancelFunc)         { c.Drain() }
func cutHere(c *call, _ context.CancelFunc)       { c.CutAt(time.Now()) }
func cutThen(c *call, _ context.CancelFunc)       { c.CutAt(time.Now().Add(second)) }
func cutBefore(c *call, _ context.CancelFunc)     { c.CutAt(time.Now().Add(-second)) }
func cancelIt(_ *call, c context.CancelFunc)      { c() }
func nothing(*call, context.CancelFunc)           {}
func stopThenDrain(c *call, _ context.CancelFunc) { c.Stop(); c.Drain() }
func drainThenStop(c *call, _ context.CancelFunc) { c.Drain(); c.Stop() }
func stopTwice(c *call, _ context.CancelFunc)     { c.Stop(); time.AfterFunc(second/2, c.Stop) }
func stopThenCut(c *call, _ context.CancelFunc)   { c.Stop(); c.CutAt(time.Now().Add(second / 4)) }

func (tt ending) run(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tt.scene.load.Grace = tt.grace
		c := tt.scene.stage()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		timer := time.AfterFunc(tt.ends, func() { tt.end(c, cancel) })
		defer timer.Stop()
		if took := c.play(ctx); took != tt.took {
			t.Errorf("Run took %v, want %v", took, tt.took)
		}
		c.check(t)
		if got := c.account(); got != tt.account {
			t.Errorf("account = %q, want %q", got, tt.account)
		}
		granted, claimed := c.Position()
		if left := granted - claimed; tt.left >= 0 && left != tt.left {
			t.Errorf("Position() = %d slots that nobody claimed, want %d", left, tt.left)
		}
		if got := c.NotSent(); got != tt.reason {
			t.Errorf("NotSent() = %v, want %v", got, tt.reason)
		}
	})
}

// Whoever ends a call: no slot starts any more, and those in flight get the time that this end grants them.
func TestEnd(t *testing.T) {
	t.Parallel()
	const (
		cancelled = outcome.NotSentCancelled
		runEnded  = outcome.NotSentRunEnded
		leaseLost = outcome.NotSentLeaseLost
	)
	quick := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(400 * ms)}
	slow := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(20 * second)}
	stalled := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(time.Hour)}
	open := scene{load: openLoop(10, 100, 0), concurrency: 20, takes: each(180 * ms)}
	openStalled := scene{load: openLoop(10, 100, 0), concurrency: 20, takes: each(time.Hour)}
	atOnce := scene{load: plan.Load{Requests: 9}, concurrency: 9, takes: each(time.Hour)}
	deafOnes := scene{load: closedLoop(100, 0), concurrency: 2, takes: each(5 * second), sender: deaf}
	const at = 1550 * ms
	for _, tt := range []ending{
		{"Stop while requests take less than 1 s", quick, nil, at, stop, 1600 * ms, "8 responses", 92, cancelled},
		{"Stop while requests take more", slow, nil, at, stop, at + second, "2 CANCELLED", 98, cancelled},
		{"Stop with a shorter grace", slow, grace(300 * ms), at, stop, at + 300*ms, "2 CANCELLED", 98, cancelled},
		{"Stop with a longer grace", slow, grace(time.Minute), at, stop, at + second, "2 CANCELLED", 98, cancelled},
		{"Stop without grace", slow, grace(0), at, stop, at, "2 CANCELLED", 98, cancelled},
		{"a second Stop does nothing", slow, nil, at, stopTwice, at + second, "2 CANCELLED", 98, cancelled},
		{"Stop of an open loop", open, nil, at, stop, 1680 * ms, "1 not sent CANCELLED, 16 responses", 83, cancelled},
		{"Stop of a stalled open loop", openStalled, nil, at, stop, at + second, "16 CANCELLED, 1 not sent CANCELLED", 83, cancelled},
		{"Stop of all at once", atOnce, nil, at, stop, at + second, "9 CANCELLED", 0, cancelled},
		{"Stop waits for deaf senders", deafOnes, nil, at, stop, 5 * second, "2 responses", 98, cancelled},
		{"Drain", quick, nil, at, drain, 1600 * ms, "8 responses", 92, leaseLost},
		{"Drain while requests take long", slow, nil, at, drain, 20 * second, "2 responses", 98, leaseLost},
		{"Drain while requests stall", stalled, nil, at, drain, at + 19*second, "2 SHUTDOWN", 98, leaseLost},
		{"Drain of an open loop", open, nil, at, drain, 1680 * ms, "1 not sent LEASE_LOST, 16 responses", 83, leaseLost},
		{"CutAt now", slow, nil, at, cutHere, at, "2 RUN_DEADLINE", 98, runEnded},
		{"CutAt a moment that has passed", slow, nil, at, cutBefore, at, "2 RUN_DEADLINE", 98, runEnded},
		{"CutAt a later moment", slow, nil, at, cutThen, at + second, "2 RUN_DEADLINE", 98, runEnded},
		{"CutAt after the last slot", atOnce, nil, at, cutHere, at, "9 RUN_DEADLINE", 0, runEnded},
		{"CutAt of an open loop", open, nil, at, cutHere, at, "2 RUN_DEADLINE, 1 not sent RUN_ENDED, 14 responses", 83, runEnded},
		{"context", slow, nil, at, cancelIt, at, "2 CANCELLED", 98, cancelled},
		{"context of an open loop", open, nil, at, cancelIt, at, "2 CANCELLED, 1 not sent CANCELLED, 14 responses", 83, cancelled},
		{"context of all at once", atOnce, nil, at, cancelIt, at, "9 CANCELLED", 0, cancelled},
		{"Stop, then Drain", stalled, nil, at, stopThenDrain, at + second, "2 CANCELLED", 98, cancelled},
		{"Drain, then Stop", stalled, nil, at, drainThenStop, at + second, "2 CANCELLED", 98, leaseLost},
		{"Stop, then CutAt", stalled, nil, at, stopThenCut, at + second/4, "2 RUN_DEADLINE", 98, cancelled},
		{"nothing", quick, nil, at, nothing, 50 * 400 * ms, "100 responses", 0, runEnded},
	} {
		t.Run(tt.name, tt.run)
	}
}

// The load's own end: a closed loop claims nothing after it; an open loop still sends what was due before it, within the
// grace. What is in flight after the grace is cut.
func TestLoadEnd(t *testing.T) {
	t.Parallel()
	const runEnded = outcome.NotSentRunEnded
	timed := func(takes time.Duration) scene {
		return scene{load: closedLoop(0, second), concurrency: 2, takes: each(takes), timeout: 3 * second}
	}
	counted := func(takes time.Duration) scene {
		return scene{load: closedLoop(100, second), concurrency: 2, takes: each(takes), timeout: 3 * second}
	}
	open := func(takes time.Duration, concurrency int64) scene {
		return scene{load: openLoop(10, 0, second), concurrency: concurrency, takes: each(takes), timeout: 3 * second}
	}
	atOnce := scene{load: plan.Load{Requests: 5, Duration: second}, concurrency: 5, takes: each(time.Hour), timeout: 3 * second}
	ahead := counted(300 * ms)
	ahead.delay = 10 * second
	for _, tt := range []ending{
		{"closed loop", timed(300 * ms), nil, 0, nothing, 1200 * ms, "8 responses", -1, runEnded},
		{"closed loop with requests", counted(300 * ms), nil, 0, nothing, 1200 * ms, "8 responses", 92, runEnded},
		{"closed loop within its grace", timed(750 * ms), grace(501 * ms), 0, nothing, 1500 * ms, "4 responses", -1, runEnded},
		{"closed loop beyond its grace", timed(750 * ms), grace(499 * ms), 0, nothing, 1499 * ms, "2 RUN_DEADLINE, 2 responses", -1, runEnded},
		{"closed loop without grace", timed(750 * ms), grace(0), 0, nothing, second, "2 RUN_DEADLINE, 2 responses", -1, runEnded},
		{"the default grace is the timeout", timed(time.Hour), nil, 0, nothing, 4 * second, "2 RUN_DEADLINE", -1, runEnded},
		{"closed loop whose start is to come", ahead, nil, 0, nothing, 1200 * ms, "8 responses", 92, runEnded},
		{"open loop", open(150*ms, 20), nil, 0, nothing, 1050 * ms, "10 responses", 0, runEnded},
		{"those that wait are sent within the grace", open(300*ms, 1), grace(2500 * ms), 0, nothing, 3 * second, "10 responses", 0, runEnded},
		{"but not beyond it", open(300*ms, 1), grace(1450 * ms), 0, nothing, 2450 * ms, "1 RUN_DEADLINE, 8 responses", 1, runEnded},
		{"open loop without grace", open(300*ms, 1), grace(0), 0, nothing, second, "1 RUN_DEADLINE, 3 responses", 6, runEnded},
		{"all at once", atOnce, grace(500 * ms), 0, nothing, 1500 * ms, "5 RUN_DEADLINE", 0, runEnded},
		{"Stop within the grace", open(300*ms, 1), grace(5 * second), 1400 * ms, stop, 1500 * ms, "5 responses", 5, outcome.NotSentCancelled},
		{"Stop of a closed loop within the grace", timed(time.Hour), nil, 1400 * ms, stop, 2400 * ms, "2 CANCELLED", -1, runEnded},
		{"the grace ends before Stop's", timed(time.Hour), grace(800 * ms), 1400 * ms, stop, 1800 * ms, "2 RUN_DEADLINE", -1, runEnded},
	} {
		t.Run(tt.name, tt.run)
	}
}

// Ending tells the batcher that it need not gather outcomes any more: at the moment from which no slot is claimed.
func TestEnding(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		load plan.Load
		end  func(*engine.Call)
		want time.Duration
	}{
		{"Stop", closedLoop(100, 0), (*engine.Call).Stop, 1550 * ms},
		{"Drain", closedLoop(100, 0), (*engine.Call).Drain, 1550 * ms},
		{"end of a closed loop", closedLoop(0, second), (*engine.Call).Stop, second},
		{"end of an open loop's grace", openLoop(10, 0, second), (*engine.Call).Stop, 1550 * ms},
		{"all slots sent", closedLoop(2, 0), (*engine.Call).Stop, 700 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := scene{load: tt.load, concurrency: 1, takes: each(350 * ms)}.stage()
				timer := time.AfterFunc(1550*ms, func() { tt.end(c.Call) })
				defer timer.Stop()
				var got time.Duration
				seen := make(chan struct{})
				go func() {
					defer close(seen)
					<-c.Ending()
					got = time.Since(c.start)
				}()
				c.play(t.Context())
				<-seen
				if got != tt.want {
					t.Errorf("Ending() was closed after %v, want %v", got, tt.want)
				}
			})
		})
	}
}
