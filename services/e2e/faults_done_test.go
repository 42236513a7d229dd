//go:build unix

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// A worker of three is killed in an open loop. What it was granted is unknown; the others' requests arrive as if nothing had happened,
// and once its grants are over the target sees the whole rate again.
func TestKillOneOfThreeWorkersInAnOpenLoop(t *testing.T) {
	full(t)
	const workers, victim, perSecond, seconds, before = 3, 1, 600, 30, 5
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	ctx, cancel := context.WithCancel(t.Context())
	still := watchTime(ctx)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/ok")...)
	j.await(t, 1)
	start := j.now()
	j.await(t, before*perSecond)
	c.workers[victim].mustKill(t)
	killed := j.now()
	r, code := run.end(t, time.Minute)
	cancel()
	stood := <-still
	if code != 3 || r.Verdict != "INCOMPLETE" || r.Counts.Planned != perSecond*seconds {
		t.Errorf("run = exit %d, %s, %+v, want 3, INCOMPLETE and %d slots", code, r.Verdict, r.Counts, perSecond*seconds)
	}
	if r.Counts.Unknown == 0 || r.Counts.Unknown > oneLease(perSecond, workers) {
		t.Errorf("%d slots are unknown, want 1 to %d, one lease and one renewal of its load", r.Counts.Unknown, oneLease(perSecond, workers))
	}
	r.lost(t, c.workers[victim].address)
	j.hold(t, r)
	others := func(slot int64) bool { return slot%workers != victim }
	all := func(int64) bool { return true }
	if n := j.between(0, time.Hour, others); n != perSecond*seconds*(workers-1)/workers {
		t.Errorf("the target saw %d slots of the others, want all of theirs, %d", n, perSecond*seconds*(workers-1)/workers)
	}
	rateOf := func(what string, from, to time.Duration, wanted func(int64) bool, share float64) {
		for at := from; at+time.Second <= to; at += time.Second {
			want := perSecond * share
			if n := float64(j.between(at, at+time.Second, wanted)); n < want*0.95-want*2*stood.Seconds() || n > want*1.05+want*2*stood.Seconds() {
				t.Errorf("%s: %v requests in the second from %v on, %v after the kill, want %v (the machine stood still for %v at most)",
					what, n, at-start, at-killed, want, stood)
			}
		}
	}
	end := start + (seconds-1)*time.Second
	rateOf("the others before", start+time.Second, killed, others, 2.0/3)
	rateOf("the others after", killed, end, others, 2.0/3)
	rateOf("all, once its grants are over", killed+2*lease+3*renewal, end, all, 1)
	c.isCalm(t)
}

// The coordinator is killed ten times at random moments of a run of half a minute, and started again a second later: nothing is lost.
func TestKillTheCoordinatorTenTimes(t *testing.T) {
	full(t)
	t.Parallel()
	killCoordinatorOften(t, 3, 300, 30, 10)
}

// killCoordinatorOften kills the coordinator at random moments of a run, each time while slots are in flight, and starts it again
// after a second.
func killCoordinatorOften(t *testing.T, workers int, perSecond, seconds int64, kills int) {
	t.Helper()
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	j.await(t, 1)
	chance := dice(t)
	most := time.Duration(seconds)*time.Second/time.Duration(kills) - 1500*time.Millisecond
	wentOn := 0
	for range kills {
		time.Sleep(time.Duration(chance.Int64N(int64(most))))
		seen := j.Ledger().Total()
		c.coordinator.mustKill(t)
		time.Sleep(time.Second)
		now := j.Ledger().Total()
		if now == perSecond*seconds {
			t.Fatal("the run was over before the coordinator was killed, or while it was down")
		}
		if now > seen {
			wentOn++
		}
		c.coordinator.start(t)
	}
	// A coordinator that is killed again within a second has granted nothing: some such in a row use up what workers have in hand, and
	// the slots after it are late.
	if wentOn < (kills+1)/2 {
		t.Errorf("in %d of %d times requests arrived while the coordinator was down, want it most times", wentOn, kills)
	}
	r, code := run.end(t, time.Minute)
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	r.exact(t, perSecond*seconds)
	j.hold(t, r)
	if n := j.Ledger().Total(); n != perSecond*seconds {
		t.Errorf("the target saw %d requests, want %d", n, perSecond*seconds)
	}
	c.isCalm(t)
}
