package kubernetes

import (
	"testing"
	"time"
)

// The coordinator's container is killed -9 in mid-run and started again on its store: the run ends exact, and whoever waits for it gets
// its report.
func TestCoordinatorKilled(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 25
	b.renew(t, "coordinator-0")
	victim := b.pod(t, release+"-coordinator-0")
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
	r.await(t, 2*perSecond)
	begun := time.Now()
	b.killContainer(t, victim)
	b.restarted(t, victim)
	if r.over() {
		t.Fatal("the run was over before the coordinator was there again")
	}
	t.Logf("the coordinator was ready again after %v", time.Since(begun))
	found, _ := r.end(t, seconds*time.Second+settled)
	found.exact(t, perSecond*seconds)
}

// The coordinator's pod is deleted in mid-run, and another one takes its name and its volume: within the workers' leases, so the run
// ends exact.
func TestCoordinatorDeleted(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 30
	victim := b.pod(t, release+"-coordinator-0")
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
	r.await(t, 2*perSecond)
	begun := time.Now()
	b.kubectl(t, "delete", "pod", victim.Metadata.Name, "--wait=false")
	eventually(t, time.Minute, "another coordinator is ready", func() bool {
		for _, p := range b.pods(t, "coordinator") {
			if p.ready() && p.Metadata.UID != victim.Metadata.UID {
				return true
			}
		}
		return false
	})
	t.Logf("another coordinator was ready after %v", time.Since(begun))
	found, _ := r.end(t, seconds*time.Second+settled)
	found.exact(t, perSecond*seconds)
}
