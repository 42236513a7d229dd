package kubernetes

import (
	"strings"
	"testing"
	"time"
)

// The release is upgraded to another version in mid-run: the workers are replaced one after the other, and the coordinator too, and
// nothing is lost.
func TestUpgradeDuringARun(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 140
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
	r.await(t, 2*perSecond)
	begun := time.Now()
	b.upgrade(t, "--set", "image.tag="+two, "--wait", "--timeout", "4m")
	took := time.Since(begun)
	for _, component := range []string{"worker", "coordinator"} {
		if log := b.kubectl(t, "get", "pods", "-l", labels(component), "-o", "jsonpath={.items[*].spec.containers[0].image}"); strings.Contains(log, one) || !strings.Contains(log, two) {
			t.Errorf("after the upgrade the images of the %s are %s, want %s", component, log, two)
		}
	}
	if r.over() {
		t.Fatalf("the run was over before the upgrade, which took %v", took)
	}
	found, _ := r.end(t, seconds*time.Second+settled)
	t.Logf("the upgrade took %v; workers %s", took, found.workers())
	found.exact(t, perSecond*seconds)
}
