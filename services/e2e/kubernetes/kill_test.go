package kubernetes

import (
	"testing"
	"time"
)

// oneLease is how many seconds of its load a worker may have been granted and not reported: a lease and a renewal.
const oneLease = 9

// A worker's pod is deleted without grace: its process and its crash mark are gone. What it was granted and had not reported is
// unknown, and no more; its place is taken by the pod that comes for it.
func TestWorkerDeletedWithoutGrace(t *testing.T) {
	needsCluster(t)
	for _, tt := range []struct {
		name    string
		args    []string
		slots   int64 // 0: ended by the duration
		unknown int64 // at most: of the closed loop, three senders with 50 requests a second each, which take 20 ms
	}{
		{"open loop", rate(300, 30), 300 * 30, 300 / 3 * oneLease},
		{"closed loop", []string{"-c", "9", "-z", "30s"}, 0, 3 * 50 * oneLease},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := installed(t)
			victim := b.pod(t, release+"-worker-1")
			r := b.begin(t, append(tt.args, judgeURL+"/delay/20ms")...)
			r.await(t, 900)
			b.kubectl(t, "delete", "pod", victim.Metadata.Name, "--grace-period=0", "--force", "--wait=false")
			b.workersReady(t, 3)
			replaced := b.pod(t, victim.Metadata.Name)
			if replaced.Metadata.UID == victim.Metadata.UID || r.over() {
				t.Fatalf("the pod was not replaced while the run went on")
			}
			found, code := r.end(t, 30*time.Second+settled)
			t.Logf("%s, %+v, not sent %+v, workers %s", found.Verdict, found.Counts, found.NotSent, found.workers())
			if code != 0 && code != 3 || tt.slots != 0 && found.Counts.Planned != tt.slots {
				t.Errorf("run = exit %d, %s, %+v, want 0 or 3, and %d slots", code, found.VerdictReason, found.Counts, tt.slots)
			}
			if found.Counts.Unknown > tt.unknown {
				t.Errorf("%d slots are unknown, want what was granted to one worker, %d at most", found.Counts.Unknown, tt.unknown)
			}
			if found.responsesOf(replaced.Status.PodIP) == 0 {
				t.Errorf("the pod at %s that came in its place sent nothing: %s", replaced.Status.PodIP, found.workers())
			}
		})
	}
}

// A worker's container is killed -9 and started again in its pod, where the crash mark has stayed: unknown is about what was in
// flight, the rest of its grant is not sent, and it joins the run again.
func TestWorkerKilledInPlace(t *testing.T) {
	b := installed(t)
	const workers, perSecond, seconds = 3, 300, 30
	b.renew(t, "worker-1")
	victim := b.pod(t, release+"-worker-1")
	r := b.begin(t, rate(perSecond, seconds, judgeURL+"/ok")...)
	r.await(t, 2*perSecond)
	before := b.ask(t, "close").Total
	eventually(t, 20*time.Second, "the coordinator knows what had arrived when the gate was closed", func() bool {
		now := b.latest(t)
		return now != nil && now.Counts.Responses >= before
	})
	shard := b.latest(t).shardOf(t, victim.Status.PodIP)
	eventually(t, 20*time.Second, "ten are in flight", func() bool { return b.ask(t, "state").heldOf(shard, workers) >= 10 })
	b.killContainer(t, victim)
	time.Sleep(100 * time.Millisecond) // what the dead worker had written arrives
	inFlight := b.ask(t, "state").heldOf(shard, workers)
	b.ask(t, "open")
	b.restarted(t, victim)
	if r.over() {
		t.Fatal("the run was over before the worker was there again")
	}
	found, code := r.end(t, seconds*time.Second+settled)
	t.Logf("%d in flight, %+v, not sent %+v, workers %s", inFlight, found.Counts, found.NotSent, found.workers())
	if code != 3 || found.Counts.Planned != perSecond*seconds {
		t.Errorf("run = exit %d, %s, %+v, want 3 and %d slots", code, found.VerdictReason, found.Counts, perSecond*seconds)
	}
	if most := inFlight + claimedAhead(perSecond/workers); found.Counts.Unknown < inFlight || found.Counts.Unknown > most {
		t.Errorf("%d slots are unknown, want %d in flight to %d", found.Counts.Unknown, inFlight, most)
	}
	lives := 0
	for _, w := range found.Workers {
		if host(w.Address) == victim.Status.PodIP && w.Counts.Responses > 0 {
			lives++
		}
	}
	if lives != 2 {
		t.Errorf("the worker sent in %d lives, want 2: %s", lives, found.workers())
	}
}

// claimedAhead is how many slots a worker's senders may have claimed that are not due yet, or have not arrived yet: those of 5 ms of its
// load, and one that waits; and those whose connections are being made. While the gate is closed each slot takes a new one, for which a
// name is looked up in the cluster and a Service is dialled: within 50 ms, where two processors have a cluster to run.
func claimedAhead(perSecond int64) int64 { return perSecond*5/1000 + 1 + 1 + perSecond*50/1000 }

// renew replaces a pod of the release that was restarted before: the second restart within ten minutes makes Kubernetes wait.
func (b *box) renew(t *testing.T, name string) {
	t.Helper()
	p := b.pod(t, release+"-"+name)
	if p.Status.ContainerStatuses[0].RestartCount == 0 {
		return
	}
	b.kubectl(t, "delete", "pod", p.Metadata.Name)
	eventually(t, time.Minute, p.Metadata.Name+" is there again", func() bool {
		r := b.try(t, "kubectl", "-n", space, "wait", "--for=condition=Ready", "pod/"+p.Metadata.Name, "--timeout=30s")
		return r.code == 0
	})
}
