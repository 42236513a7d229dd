//go:build unix

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/target"
)

// One worker of three cannot have as many senders as its part of the run needs: the run ends before anything is sent, and says which
// worker, and what it can have.
func TestFaultOneWorkerRefuses(t *testing.T) {
	t.Parallel()
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 2, nil)
	small := newProcess(t, fixedAddress(t), "worker", "--state-dir", filepath.Join(t.TempDir(), "state"))
	small.wrap = []string{tool(t, "sh"), "-c", `ulimit -n 300 && exec "$0" "$@"`}
	small.start(t)
	c.coordinator.mustKill(t)
	c.workers = append(c.workers, small)
	c.coordinator.args[2] += "," + small.address
	c.coordinator.start(t)
	got := fanout(t, "run", "--coordinator", c.coordinator.address, "--slot-header", "-o", "json", "-n", "3000", "-c", "900", j.URL()+"/ok")
	r := parse(t, got.stdout)
	if got.code != 1 || r.Verdict != "FAILED" || r.StartTime != "" && !strings.HasPrefix(r.StartTime, "0001") ||
		!strings.Contains(r.VerdictReason, small.address) || !strings.Contains(r.VerdictReason, "cap") {
		t.Errorf("run = exit %d, %s, start %q, %q, want 1, FAILED, none, and the worker with its cap", got.code, r.Verdict, r.StartTime, r.VerdictReason)
	}
	if n := j.Ledger().Total(); n != 0 || r.Counts.NotSent != 3000 {
		t.Errorf("%d requests were sent, counts %+v, want none sent", n, r.Counts)
	}
	c.verify(t, r.ID)
	c.measure(t)
	c.isCalm(t)
}
