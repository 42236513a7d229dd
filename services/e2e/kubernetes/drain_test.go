package kubernetes

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/logtest"
)

// A worker's pod is deleted as Kubernetes deletes pods: it says that it takes nothing new, runs out what it was granted, and nothing is
// lost; the pod that comes in its place joins the run.
func TestWorkerDeletedGracefully(t *testing.T) {
	needsCluster(t)
	const seconds = 40
	for _, tt := range []struct {
		name  string
		args  []string
		slots int64 // 0: as many as there were when its time was over
	}{
		{"open loop", rate(300, seconds), 300 * seconds},
		{"closed loop", []string{"-c", "9", "-z", "40s"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := installed(t)
			victim := b.pod(t, release+"-worker-1")
			r := b.begin(t, append(tt.args, judgeURL+"/delay/20ms")...)
			r.await(t, 600)
			begun := time.Now()
			b.kubectl(t, "delete", "pod", victim.Metadata.Name, "--wait=false")
			eventually(t, 5*time.Second, "the worker says that it takes nothing new", func() bool {
				return b.try(t, inConsole("health", victim.Status.PodIP+":7079")...).stdout == "NOT_SERVING\n"
			})
			eventually(t, time.Minute, "the pod is gone", func() bool {
				return !slices.ContainsFunc(b.pods(t, "worker"), func(p *pod) bool { return p.Metadata.UID == victim.Metadata.UID })
			})
			took := time.Since(begun)
			b.workersReady(t, 3)
			replaced := b.pod(t, victim.Metadata.Name)
			if r.over() {
				t.Fatal("the run was over before the worker was replaced")
			}
			found, _ := r.end(t, seconds*time.Second+settled)
			t.Logf("the pod took %v to end; workers %s", took, found.workers())
			if tt.slots == 0 {
				tt.slots = found.Counts.Planned
			}
			found.exact(t, tt.slots)
			if took > 25*time.Second {
				t.Errorf("the pod took %v to end, want 20 s at most and what Kubernetes takes", took)
			}
			if found.responsesOf(replaced.Status.PodIP) == 0 {
				t.Errorf("the pod at %s that came in its place sent nothing: %s", replaced.Status.PodIP, found.workers())
			}
		})
	}
}

// The node of all workers is drained: the disruption budget lets them go one at a time, the next when the one before has been replaced,
// for which the node has to take pods again, since it is the only one. Nothing is lost.
func TestNodeDrained(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 90
	before := b.pods(t, "worker")
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/delay/20ms")...)
	r.await(t, 2*perSecond)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var said logtest.Log
	drain := b.in(ctx, "kubectl", "drain", "box", "--pod-selector="+labels("worker"), "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=150s")
	drain.Stdout, drain.Stderr = &said, &said
	if err := drain.Start(); err != nil {
		t.Fatal(err)
	}
	defer b.must(t, "kubectl", "uncordon", "box")
	eventually(t, time.Minute, "the budget holds back the second worker", func() bool {
		return strings.Contains(said.String(), "disruption budget")
	})
	time.Sleep(3 * time.Second) // it holds while the node takes no pod
	here := 0
	for _, p := range b.pods(t, "worker") {
		if p.ready() {
			here++
		}
	}
	if here != 2 {
		t.Errorf("%d workers are ready while the node is drained, want 2: the budget lets one go", here)
	}
	b.must(t, "kubectl", "uncordon", "box")
	err := drain.Wait()
	if err != nil || r.over() {
		t.Fatalf("kubectl drain = %v, and the run is over: %v:\n%s", err, r.over(), said.String())
	}
	b.workersReady(t, 3)
	for k, p := range b.pods(t, "worker") {
		if p.Metadata.UID == before[k].Metadata.UID {
			t.Errorf("%s was not drained", p.Metadata.Name)
		}
	}
	found, _ := r.end(t, seconds*time.Second+settled)
	t.Logf("workers %s", found.workers())
	found.exact(t, perSecond*seconds)
}

// The node of a run's Job is drained in mid-run: its budget holds it there until it has ended.
func TestNodeOfAJobDrained(t *testing.T) {
	b := installed(t)
	const perSecond, seconds = 300, 20
	b.ask(t, "reset")
	b.upgrade(t, "--set", "run.url="+judgeURL+"/ok", "--set-json", `run.args=["-q","300","-z","20s","-o","json","--slot-header"]`)
	eventually(t, time.Minute, "300 requests have arrived", func() bool { return b.ask(t, "state").Total >= perSecond })
	defer b.must(t, "kubectl", "uncordon", "box")
	b.must(t, "kubectl", "drain", "box", "--pod-selector="+labels("run"), "--force", "--timeout=90s")
	if seen := b.ask(t, "state").Total; seen != perSecond*seconds {
		t.Errorf("the node was drained when %d of %d requests had been sent", seen, perSecond*seconds)
	}
	found := b.latest(t)
	if found == nil {
		t.Fatal("the coordinator has no run")
	}
	found.check(t, exitCodes["PASSED"])
	found.exact(t, perSecond*seconds)
	b.hold(t, found)
}
