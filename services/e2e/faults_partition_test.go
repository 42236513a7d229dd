//go:build unix

package e2e

import (
	"slices"
	"testing"
	"time"
)

// The link between the coordinator and a worker is down for a while. A short time costs nothing. For longer than a lease, the worker is
// lost, the other one takes over, and it stops by itself; when the link is back, what it has kept makes everything known.
func TestFaultPartitionFromCoordinator(t *testing.T) {
	full(t)
	t.Parallel()
	for _, tt := range []struct {
		away    time.Duration
		seconds int64
		lost    bool
	}{{2 * time.Second, 10, false}, {15 * time.Second, 35, true}, {60 * time.Second, 80, true}} {
		t.Run(tt.away.String(), func(t *testing.T) {
			t.Parallel()
			const perSecond, victim = 200, 1
			n := newNetwork(t)
			c, j := n.newFarCluster(t)
			run := c.begin(t, rate(perSecond, tt.seconds, j.URL()+"/delay/20ms")...)
			j.await(t, 2*perSecond)
			downs := n.downs(t, n.controlFar)
			n.set(t, n.controlFar, "down")
			time.Sleep(tt.away)
			during := c.latest(t)
			n.set(t, n.controlFar, "up")
			if n.downs(t, n.controlFar) == downs {
				t.Error("the link was not down")
			}
			r, _ := run.end(t, 3*time.Minute)
			j.hold(t, r)
			slots := perSecond * tt.seconds
			if !tt.lost {
				r.exact(t, slots)
				c.isCalm(t)
				return
			}
			r.lost(t, c.workers[victim].address)
			if during == nil || during.Counts.Unknown == 0 || during.Counts.Unknown > oneLease(perSecond, 2) {
				t.Fatalf("while the link was down, the run was %+v, want 1 to %d slots unknown", during, oneLease(perSecond, 2))
			}
			if r.Counts.Planned != slots || r.Counts.Unknown != 0 || r.Counts.Responses+r.notSentOf("LEASE_LOST") != slots {
				t.Errorf("run = %s, %+v, errors %+v, not sent %+v, want %d slots and none unknown", r.Verdict, r.Counts, r.Errors, r.NotSent, slots)
			}
			c.isCalm(t)
		})
	}
}

// The link between a worker and the target is down for 10 s: its slots time out or find no way there, and then have responses again.
func TestFaultPartitionFromTarget(t *testing.T) {
	full(t)
	t.Parallel()
	const perSecond, seconds, away = 100, 25, 10 * time.Second
	n := newNetwork(t)
	c, j := n.newFarCluster(t)
	run := c.begin(t, rate(perSecond, seconds, "-t", "2s", j.URL()+"/delay/20ms")...)
	j.await(t, 3*perSecond)
	downs := n.downs(t, n.targetFar)
	n.set(t, n.targetFar, "down")
	time.Sleep(away)
	n.set(t, n.targetFar, "up")
	healed := j.now()
	if n.downs(t, n.targetFar) == downs {
		t.Error("the link was not down")
	}
	r, code := run.end(t, time.Minute)
	j.hold(t, r)
	if code != 0 || r.Counts.Planned != perSecond*seconds || r.Counts.Unknown != 0 || r.Counts.NotSent != 0 || r.Counts.Errors < perSecond/2*5 {
		t.Errorf("run = exit %d, %+v, want 0, and errors for about 10 s of a worker's slots", code, r.Counts)
	}
	for _, e := range r.Errors {
		if !slices.Contains([]string{"DIAL_UNREACHABLE", "DIAL_TIMEOUT", "TIMEOUT_WRITE", "TIMEOUT_FIRST_BYTE", "TIMEOUT_BODY", "TIMEOUT_TOTAL"}, e.Class) {
			t.Errorf("%d errors of class %s, %q, want only timeouts and no way there", e.Count, e.Class, e.Examples)
		}
	}
	if late := j.between(healed+3*time.Second, time.Hour, func(slot int64) bool { return slot%2 == 1 }); late < perSecond/2*3 {
		t.Errorf("%d slots of its worker arrived after the link was back, want it to go on", late)
	}
	c.isCalm(t)
}
