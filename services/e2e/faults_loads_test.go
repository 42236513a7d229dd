//go:build unix

package e2e

import (
	"strconv"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// Of five hundred runs one after the other nothing is left.
func TestFaultManyRuns(t *testing.T) {
	full(t)
	t.Parallel()
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 2, nil)
	c.begin(t, "-n", "20", "-c", "4", j.URL()+"/ok").end(t, time.Minute)
	c.measure(t)
	memory := c.workers[0].status(t, "VmRSS")
	for range 500 {
		got := c.fanout(t, "run", "--coordinator", c.coordinator.address, "-n", "20", "-c", "4", "--slot-header", j.URL()+"/ok")
		if got.code != 0 {
			t.Fatalf("run = exit %d, %s%s", got.code, got.stdout, got.stderr)
		}
	}
	if key, n := j.Ledger().MaxPerSlot(); n != 1 || j.Ledger().Total() != 501*20 {
		t.Errorf("the target saw %d requests, %s %d times, want %d, each once", j.Ledger().Total(), key, n, 501*20)
	}
	if grown := c.workers[0].status(t, "VmRSS") - memory; grown > 32<<10 {
		t.Errorf("the worker has %d KiB more after 500 runs, want 32 MiB at most", grown)
	}
	c.isCalm(t)
}

// A hundred workers carry out one run.
func TestFaultHundredWorkers(t *testing.T) {
	full(t)
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 100, nil)
	r, _ := c.begin(t, rate(1000, 10, j.URL()+"/ok")...).end(t, 2*time.Minute)
	r.exact(t, 10_000)
	j.hold(t, r)
	if len(r.Workers) != 100 {
		t.Errorf("%d workers, want 100", len(r.Workers))
	}
	c.isCalm(t)
}

// Ten thousand connections of one worker are in flight at once, in a process that may have twenty thousand files.
func TestFaultTenThousandConnections(t *testing.T) {
	full(t)
	const slots = 10_000
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 1, nil)
	j.close()
	run := c.begin(t, "-n", strconv.Itoa(slots), "-t", "60s", j.URL()+"/ok")
	j.await(t, slots) // all of them wait for the gate
	j.open()
	r, _ := run.end(t, 2*time.Minute)
	r.exact(t, slots)
	j.hold(t, r)
	c.isCalm(t)
}
