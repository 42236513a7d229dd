package kubernetes

import (
	"testing"
	"time"
)

// A release is installed from nothing, and a run of 100,000 requests comes with it as a Job: three workers share it, the target sees
// each request once, and the Job's pod ends with exit code 0, on which a pipeline can wait.
func TestInstallWithAJob(t *testing.T) {
	b := newBox(t)
	b.uninstall(t)
	b.ask(t, "reset")
	const requests = 100_000
	b.upgrade(t, "--set", "run.url="+judgeURL+"/ok", "--set-json", `run.args=["-n","100000","-c","60","-o","json","--slot-header"]`,
		"--wait", "--timeout", "4m")
	exit, log := b.jobEnded(t, release)
	r := reportIn(t, log)
	r.check(t, exit)
	r.exact(t, requests)
	b.hold(t, r)
	b.verify(t, r.ID)
	if len(r.Workers) != 3 {
		t.Errorf("workers = %s, want three", r.workers())
	}
	for _, w := range r.Workers {
		if w.Counts.Responses < requests/4 {
			t.Errorf("worker %s had %d responses, want about a third of %d", w.Address, w.Counts.Responses, requests)
		}
	}
	for _, component := range []string{"worker", "coordinator"} {
		for _, p := range b.pods(t, component) {
			if p.Status.ContainerStatuses[0].RestartCount != 0 {
				t.Errorf("pod %s was started %d times again", p.Metadata.Name, p.Status.ContainerStatuses[0].RestartCount)
			}
		}
	}
	b.showUsage(t, requests)
	b.verdictOfAFailedJob(t)
}

// verdictOfAFailedJob checks that the Job of a run that FAILED fails too, once, with the run's exit code.
func (b *box) verdictOfAFailedJob(t *testing.T) {
	t.Helper()
	b.upgrade(t, "--set", "run.url="+judgeURL+"/reset", "--set-json", `run.args=["-n","10"]`)
	exit, log := b.jobEnded(t, release)
	if exit != exitCodes["FAILED"] {
		t.Errorf("the Job of a run that failed ended with exit code %d, want %d:\n%s", exit, exitCodes["FAILED"], log)
	}
}

// A run in mid-flight is not ended by another upgrade that changes nothing of the workers: the release's certificates stay as they are.
func TestUpgradeThatChangesNothing(t *testing.T) {
	b := installed(t)
	before := b.pods(t, "worker")
	secret := b.kubectl(t, "get", "secret", release+"-worker-tls", "-o", "jsonpath={.data}")
	const perSecond, seconds = 300, 15
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/ok")...)
	r.await(t, 2*perSecond)
	b.upgrade(t, "--wait", "--timeout", "2m")
	found, _ := r.end(t, time.Minute)
	found.exact(t, perSecond*seconds)
	for k, p := range b.pods(t, "worker") {
		if p.Metadata.UID != before[k].Metadata.UID {
			t.Errorf("an upgrade that changes nothing replaced %s", p.Metadata.Name)
		}
	}
	if now := b.kubectl(t, "get", "secret", release+"-worker-tls", "-o", "jsonpath={.data}"); now != secret {
		t.Error("an upgrade that changes nothing made other certificates")
	}
}
