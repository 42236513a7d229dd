package kubernetes

import (
	"strings"
	"testing"
	"time"
)

// The release is upgraded to another version in mid-run: the workers are replaced one after the other, and the coordinator too, and
// nothing is lost. The run is a Job, which stays as it began.
func TestUpgradeDuringARun(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 140
	job := []string{"--set", "run.url=" + judgeURL + "/delay/20ms", "--set-json", `run.args=["-q","300","-z","140s","-o","json","--slot-header"]`}
	b.ask(t, "reset")
	b.upgrade(t, job...)
	eventually(t, time.Minute, "the run goes on", func() bool { return b.ask(t, "state").Total >= 2*perSecond })
	begun := time.Now()
	b.upgrade(t, append(job, "--set", "image.tag="+two, "--wait", "--timeout", "4m")...)
	took := time.Since(begun)
	for _, component := range []string{"worker", "coordinator"} {
		images := b.kubectl(t, "get", "pods", "-l", labels(component), "-o", "jsonpath={.items[*].spec.containers[0].image}")
		if strings.Contains(images, one) || !strings.Contains(images, two) {
			t.Errorf("after the upgrade the images of the %s are %s, want %s", component, images, two)
		}
	}
	if seen := b.ask(t, "state").Total; seen >= perSecond*seconds {
		t.Fatalf("the run was over before the upgrade, which took %v", took)
	}
	exit, log := b.jobEnded(t, release)
	found := reportIn(t, log)
	t.Logf("the upgrade took %v; workers %s", took, found.workers())
	found.check(t, exit)
	found.exact(t, perSecond*seconds)
	b.hold(t, found)
	b.verify(t, found.ID)
	if len(found.Workers) < 6 {
		t.Errorf("workers = %s, want the three that began, and the three that came for them", found.workers())
	}
}
