package kubernetes

import (
	"testing"
	"time"
)

// Workers that are added in mid-run get their part of it, and nothing is lost when they are taken away again.
func TestScaleInMidRun(t *testing.T) {
	needsCluster(t)
	const perSecond = 500
	t.Run("3 to 5", func(t *testing.T) {
		b := installed(t)
		const seconds = 40
		before := b.pods(t, "worker")
		r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
		r.await(t, 2*perSecond)
		b.upgrade(t, "--set", "worker.replicas=5")
		b.workersReady(t, 5)
		if r.over() {
			t.Fatal("the run was over before there were five workers")
		}
		all := b.pods(t, "worker")
		found, _ := r.end(t, seconds*time.Second+settled)
		t.Logf("workers %s", found.workers())
		found.exact(t, perSecond*seconds)
		for _, p := range all {
			if found.responsesOf(p.Status.PodIP) == 0 {
				t.Errorf("%s at %s sent nothing: %s", p.Metadata.Name, p.Status.PodIP, found.workers())
			}
		}
		for _, p := range before {
			if n := found.responsesOf(p.Status.PodIP); n > perSecond*seconds/3 {
				t.Errorf("%s sent %d of %d requests, want less than a third, since there were five", p.Metadata.Name, n, perSecond*seconds)
			}
		}
	})
	t.Run("5 to 2", func(t *testing.T) {
		b := newBox(t)
		const seconds = 50
		b.upgrade(t, "--set", "worker.replicas=5", "--wait", "--timeout", "2m")
		b.workersReady(t, 5)
		r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
		r.await(t, 2*perSecond)
		b.upgrade(t, "--set", "worker.replicas=2")
		b.workersReady(t, 2)
		if r.over() {
			t.Fatal("the run was over before there were two workers")
		}
		found, _ := r.end(t, seconds*time.Second+settled)
		t.Logf("workers %s", found.workers())
		found.exact(t, perSecond*seconds)
		if len(found.Workers) < 5 {
			t.Errorf("workers = %s, want the five that began", found.workers())
		}
	})
}
