//go:build unix

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// The short version of what TestKillTheCoordinatorTenTimes does.
func TestFaultKillCoordinatorOften(t *testing.T) {
	t.Parallel()
	killCoordinatorOften(t, 2, 200, 6, 2)
}

// The coordinator is killed and comes back within the workers' leases: it attaches again, and nothing is lost. After 30 s they have
// ended their shards by themselves: what became of every slot is known, and some were not sent.
func TestFaultKillCoordinator(t *testing.T) {
	full(t)
	t.Parallel()
	const workers, perSecond, seconds = 10, 500, 20
	for _, tt := range []struct {
		away  time.Duration
		exact bool
	}{{time.Second, true}, {4 * time.Second, true}, {30 * time.Second, false}} {
		t.Run(tt.away.String(), func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, target.OracleConfig{})
			c := newCluster(t, workers, nil)
			run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
			j.await(t, 3*perSecond)
			c.coordinator.mustKill(t)
			time.Sleep(tt.away)
			stopped := j.last()
			c.coordinator.start(t)
			r, code := run.end(t, time.Minute)
			j.hold(t, r)
			if r.Counts.Unknown != 0 || j.Ledger().Total() != r.Counts.Responses+r.Counts.Errors {
				t.Errorf("counts = %+v, and the target saw %d, want nothing unknown", r.Counts, j.Ledger().Total())
			}
			if tt.exact {
				r.exact(t, perSecond*seconds)
			} else if code != 3 || r.notSentOf("LEASE_LOST")+r.notSentOf("WORKER_LOST") == 0 || j.last() != stopped {
				t.Errorf("run = exit %d, %s, %+v, not sent %+v, want 3, slots that were not sent, and none after the coordinator was back",
					code, r.VerdictReason, r.Counts, r.NotSent)
			}
			c.isCalm(t)
		})
	}
}

// A coordinator that is told to end leaves its run to the leases, and goes on with it when it is started again.
func TestFaultTerminateCoordinator(t *testing.T) {
	full(t)
	t.Parallel()
	const perSecond, seconds = 300, 12
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 2, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	j.await(t, 2*perSecond)
	c.coordinator.signal(terminate)
	if code := c.coordinator.exit(t, settled); code != 0 {
		t.Errorf("the coordinator ended with exit code %d, want 0", code)
	}
	c.coordinator.start(t)
	r, _ := run.end(t, time.Minute)
	r.exact(t, perSecond*seconds)
	j.hold(t, r)
	c.isCalm(t)
}

// A coordinator is stopped while it has the store: another one is refused by name, and the first goes on when it wakes up.
func TestFaultTwoCoordinatorsOneStore(t *testing.T) {
	full(t)
	t.Parallel()
	const perSecond, seconds = 300, 12
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 2, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	j.await(t, 2*perSecond)
	c.coordinator.stop(t)
	second := newProcess(t, fixedAddress(t), c.coordinator.args...)
	err := second.tryStart()
	if log := second.log.String(); err == nil || second.exit(t, settled) != 1 || !strings.Contains(log, c.store) || !strings.Contains(log, "in use by another coordinator") {
		t.Errorf("a second coordinator = %v, %q, want it refused, with the store's path", err, log)
	}
	c.coordinator.goOn()
	r, _ := run.end(t, time.Minute)
	r.exact(t, perSecond*seconds)
	j.hold(t, r)
	c.isCalm(t)
}
