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

// The coordinator's container is killed a second time as soon as it is there again, and Kubernetes waits 10 s before it starts it once
// more: longer than the workers' leases. What was not granted is not sent, and nothing is unknown: INCOMPLETE, with an exact account.
func TestCoordinatorKilledTwice(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 45
	b.renew(t, "coordinator-0")
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
	r.await(t, 2*perSecond)
	begun := time.Now()
	for range 2 {
		victim := b.pod(t, release+"-coordinator-0")
		begun = time.Now()
		b.killContainer(t, victim)
		b.restarted(t, victim)
	}
	away := time.Since(begun)
	found, code := r.end(t, seconds*time.Second+settled)
	t.Logf("away for %v the second time: %s, %+v, not sent %+v", away, found.VerdictReason, found.Counts, found.NotSent)
	if seen := b.ask(t, "state").Total; found.Counts.Unknown != 0 || seen != found.Counts.Responses || found.Counts.Planned != perSecond*seconds {
		t.Errorf("counts = %+v, and the target saw %d, want nothing unknown", found.Counts, seen)
	}
	if code == 0 {
		found.exact(t, perSecond*seconds) // it was back in time
	} else if found.notSentOf("LEASE_LOST")+found.notSentOf("WORKER_LOST") != found.Counts.NotSent || found.Counts.NotSent == 0 {
		t.Errorf("run = exit %d, %s, not sent %+v, want slots that were not sent since leases ended", code, found.VerdictReason, found.NotSent)
	}
}
