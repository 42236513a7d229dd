//go:build unix

package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

const terminate = syscall.SIGTERM

// A worker is stopped and goes on. After 3 s nothing is lost. After 20 s and more it is lost, and when it wakes up it ends its shard by
// itself: no slot is sent twice, and what it still tells makes unknown slots known, as long as the run goes on.
func TestFaultStopWorker(t *testing.T) {
	full(t)
	t.Parallel()
	const workers, victim, perSecond = 3, 1, 150
	for _, tt := range []struct {
		away    time.Duration
		seconds int64
		lost    bool
	}{{3 * time.Second, 10, false}, {20 * time.Second, 40, true}, {60 * time.Second, 80, true}} {
		t.Run(tt.away.String(), func(t *testing.T) {
			t.Parallel()
			j := newJudge(t, target.OracleConfig{})
			c := newCluster(t, workers, nil)
			run := c.begin(t, rate(perSecond, tt.seconds, j.URL()+"/delay/20ms")...)
			j.await(t, 2*perSecond)
			c.workers[victim].stop(t)
			stopped := j.now()
			time.Sleep(tt.away)
			during := c.latest(t)
			if during == nil || c.workers[victim].state(t) != "T" {
				t.Fatal("the coordinator shows no run, or the worker was not stopped all the time")
			}
			c.workers[victim].goOn()
			r, code := run.end(t, 2*time.Minute)
			j.hold(t, r)
			slots := perSecond * tt.seconds
			if !tt.lost {
				r.exact(t, slots)
				c.isCalm(t)
				return
			}
			r.lost(t, c.workers[victim].address)
			if code != 3 || r.Counts.Planned != slots || r.Counts.Responses+r.Counts.Errors+r.Counts.Unknown+r.Counts.NotSent != slots {
				t.Errorf("run = exit %d, %s, %+v, want 3 and %d slots", code, r.VerdictReason, r.Counts, slots)
			}
			if during.Counts.Unknown == 0 || during.Counts.Unknown > oneLease(perSecond, workers) || r.Counts.Unknown != 0 {
				t.Errorf("%d slots were unknown while the worker was stopped, and %d at the end, want 1 to %d and none",
					during.Counts.Unknown, r.Counts.Unknown, oneLease(perSecond, workers))
			}
			// What was granted to it nobody else sends. Of that, each of its senders may have had one on its way when it was stopped.
			granted := stopped - j.first() + lease + 2*renewal
			late := j.between(stopped+tt.away, time.Hour, func(slot int64) bool { return due(slot, perSecond) < granted })
			if senders := r.sendersOf(c.workers[victim].address); late > senders {
				t.Errorf("%d of the slots that were due while it was stopped arrived when it woke up after its lease, want %d at most", late, senders)
			}
			c.isCalm(t)
		})
	}
}

// due is when a slot of an open loop is due, from its start.
func due(slot, perSecond int64) time.Duration {
	return time.Duration(slot) * time.Second / time.Duration(perSecond)
}

// A worker that is told to end runs out what it was granted, and nothing is lost.
func TestFaultTerminateWorker(t *testing.T) {
	full(t)
	t.Parallel()
	const workers, victim, perSecond, seconds = 3, 1, 300, 15
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	j.await(t, 2*perSecond)
	c.workers[victim].signal(terminate)
	if code := c.workers[victim].exit(t, 21*time.Second); code != 0 {
		t.Errorf("the worker ended with exit code %d, want 0", code)
	}
	if j.Ledger().Total() >= perSecond*seconds {
		t.Error("the run was over before the worker ended")
	}
	r, _ := run.end(t, time.Minute)
	r.exact(t, perSecond*seconds)
	j.hold(t, r)
	c.isCalm(t)
}

// The coordinator is stopped for longer than a lease. The arrivals stay as planned until the leases end, then there are none; the
// workers' memory is bounded; and when it wakes up it finds what they have kept. 10,000/s are 2,000/s here, for two cores.
func TestFaultStopCoordinator(t *testing.T) {
	full(t)
	const workers, perSecond, seconds, away = 2, 2000, 20, 30 * time.Second
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/ok")...)
	j.await(t, 5*perSecond)
	before := make([]int64, workers)
	for k, w := range c.workers {
		before[k] = w.status(t, "VmHWM")
	}
	c.coordinator.stop(t)
	stopped := j.now()
	time.Sleep(away)
	if c.coordinator.state(t) != "T" {
		t.Fatal("the coordinator was not stopped all the time")
	}
	silent := j.last()
	c.coordinator.goOn()
	r, code := run.end(t, time.Minute)
	j.hold(t, r)
	if code != 3 || r.Counts.Unknown != 0 || r.notSentOf("LEASE_LOST")+r.notSentOf("WORKER_LOST") == 0 {
		t.Errorf("run = exit %d, %s, %+v, not sent %+v, want 3, and slots that were not sent since leases ended", code, r.VerdictReason, r.Counts, r.NotSent)
	}
	if silent != j.last() || silent > stopped+lease+2*renewal {
		t.Errorf("the last request arrived %v after the coordinator was stopped, and %v with all, want none after its lease", silent-stopped, j.last()-stopped)
	}
	// The lease of each worker is at least 7 s from then on: a renewal a second. Until then nothing changes.
	if n, want := j.between(stopped, stopped+6*time.Second, func(int64) bool { return true }), int64(6*perSecond); n < want*95/100 || n > want*105/100 {
		t.Errorf("%d requests arrived in the 6 s after the coordinator was stopped, want %d", n, want)
	}
	for k, w := range c.workers {
		if grown := w.status(t, "VmHWM") - before[k]; grown > 64<<10 {
			t.Errorf("worker %d took %d KiB more while the coordinator was stopped, want 64 MiB at most", k, grown)
		}
	}
	c.isCalm(t)
}

// The coordinator gets a tenth of its time: it is stopped and goes on, ten times a second. What is slow there does not change the
// arrivals, and the counts are exact. 20,000/s are 2,000/s here, for two cores.
func TestFaultSlowCoordinator(t *testing.T) {
	full(t)
	const workers, perSecond, seconds = 2, 2000, 15
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/ok")...)
	j.await(t, perSecond)
	stops := 0
	for ; j.Ledger().Total() < perSecond*(seconds-1); stops++ {
		c.coordinator.signal(syscall.SIGSTOP)
		time.Sleep(90 * time.Millisecond)
		c.coordinator.goOn()
		time.Sleep(10 * time.Millisecond)
	}
	ended := j.now()
	r, _ := run.end(t, time.Minute)
	r.exact(t, perSecond*seconds)
	j.hold(t, r)
	if stops < 5*(seconds-2) {
		t.Errorf("the coordinator was stopped %d times only", stops)
	}
	// From the first one on: workers that are behind when the coordinator becomes slow, because others want the machine, catch up.
	n, want := j.between(0, ended, func(int64) bool { return true }), int64(perSecond*(ended-j.first()).Seconds())
	if n < want*99/100 || n > want*101/100 {
		t.Errorf("%d requests had arrived when the coordinator was no longer slow, want %d", n, want)
	}
	c.isCalm(t)
}
