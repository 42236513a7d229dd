package kubernetes

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// trial is a release of its own, in the release's namespace, that a test spoils.
const trial = "trial"

// small are values of a release that needs little, with the store in the pod.
const small = `
image: {repository: ` + repository + `, tag: ` + one + `, pullPolicy: Never}
worker:
  replicas: 1
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 256Mi}}
coordinator:
  resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 256Mi}}
  persistence: {enabled: false}
allowedTargets: [judge.` + world + `]
`

// tryInstall installs the trial with the small values and these flags of helm beside them; the test's end removes it.
func (b *box) tryInstall(t *testing.T, args ...string) result {
	t.Helper()
	path, err := filepath.Abs(chart)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.must(t, "helm", "-n", space, "uninstall", trial, "--ignore-not-found", "--wait", "--timeout", "2m")
		b.kubectl(t, "delete", "secret,pvc", "-l", "app.kubernetes.io/instance="+trial, "--ignore-not-found")
	})
	return b.helm(t, slices.Concat([]string{"install", trial, path, "-f", valuesFile(t, small)}, args)...)
}

// Values of a wrong type are refused by helm, with their name.
func TestBadValues(t *testing.T) {
	b := newBox(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"a number that is text", []string{"--set-string", "worker.replicas=three"}, []string{"replicas", "integer"}},
		{"no worker", []string{"--set", "worker.replicas=-1"}, []string{"replicas"}},
		{"a list that is text", []string{"--set", "allowedTargets=judge"}, []string{"allowedTargets", "array"}},
		{"a mode that there is not", []string{"--set", "tls.mode=maybe"}, []string{"mode"}},
		{"a key that is misspelt", []string{"--set", "worker.replica=3"}, []string{"replica"}},
		{"a target that is a URL", []string{"--set", "allowedTargets[0]=http://judge/"}, []string{"allowedTargets"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := b.tryInstall(t, tt.args...)
			if r.code == 0 {
				t.Fatalf("helm install took it")
			}
			for _, want := range tt.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("helm install = %q, want %q in it", r.stderr, want)
				}
			}
		})
	}
}

// A secret that is named and is not there is named in what helm says.
func TestMissingSecret(t *testing.T) {
	b := newBox(t)
	for name, args := range map[string][]string{
		"certificates": {"--set", "tls.mode=existing", "--set", "tls.existing.workerSecret=not-there,tls.existing.coordinatorSecret=not-there,tls.existing.clientSecret=not-there"},
		"tokens":       {"--set", "tokens.existingSecret=not-there"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.tryInstall(t, args...)
			if r.code == 0 || !strings.Contains(r.stderr, "not-there") {
				t.Errorf("helm install = exit %d, %q, %q, want it refused, with the secret's name", r.code, r.stdout, r.stderr)
			}
		})
	}
}

// Without an allowed target the release comes up, its notes say how to allow the first one, and a run is refused by the workers.
func TestNoAllowedTarget(t *testing.T) {
	b := newBox(t)
	r := b.tryInstall(t, "--set-json", "allowedTargets=[]", "--wait", "--timeout", "2m")
	if r.code != 0 || !strings.Contains(r.stdout, "allowedTargets") {
		t.Fatalf("helm install = exit %d, want notes that say how to allow a target:\n%s%s", r.code, r.stdout, r.stderr)
	}
	b.ask(t, "reset")
	exit, log := b.runOf(t, trial+"-fanout", "-n", "100", "-c", "2", judgeURL+"/ok")
	if exit != exitCodes["FAILED"] || !strings.Contains(log, "POLICY_BLOCKED") {
		t.Errorf("a run = exit %d, want %d and POLICY_BLOCKED:\n%s", exit, exitCodes["FAILED"], log)
	}
	if seen := b.ask(t, "state").Total; seen != 0 {
		t.Errorf("the target saw %d requests", seen)
	}
}

// full is where the node keeps a store that has little room.
const full = "/run/fanout-full"

// onFullVolume installs the trial with its store on a volume of 4 MiB, the rest of which fill may take before.
func (b *box) onFullVolume(t *testing.T, fill bool, args ...string) {
	t.Helper()
	b.must(t, "mkdir", "-p", full)
	b.must(t, "mount", "-t", "tmpfs", "-o", "size=4m,uid=65532,gid=65532", "tmpfs", full)
	t.Cleanup(func() {
		b.must(t, "kubectl", "delete", "pv", "full", "--ignore-not-found", "--timeout=60s")
		b.must(t, "umount", "--lazy", full)
	})
	if err := b.volume("full", full); err != nil {
		t.Fatal(err)
	}
	if fill {
		b.fill(t)
	}
	set := "coordinator.persistence.enabled=true,coordinator.persistence.storageClass=full"
	if r := b.tryInstall(t, append([]string{"--set", set}, args...)...); r.code != 0 {
		t.Fatalf("helm install = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// fill takes all the room that is left.
func (b *box) fill(t *testing.T) {
	t.Helper()
	b.try(t, "dd", "if=/dev/zero", "of="+full+"/balloon", "bs=4096") // ends when there is none
}

// The volume of the store is full in mid-life: the coordinator says so, of which file and what to do, a run does not start, and with
// room again runs are taken again.
func TestFullStore(t *testing.T) {
	b := newBox(t)
	b.onFullVolume(t, false, "--wait", "--timeout", "2m")
	b.fill(t)
	exit, log := b.runOf(t, trial+"-fanout", "-q", "200", "-z", "20s", judgeURL+"/ok")
	said := b.kubectl(t, "logs", trial+"-fanout-coordinator-0")
	if exit == 0 || !strings.Contains(said, "/var/lib/fanout/store") || !strings.Contains(said, "make room") {
		t.Errorf("a run on a full volume = exit %d, %s\nwant it refused, and the store and what to do in the coordinator's log:\n%s", exit, log, said)
	}
	t.Logf("a run on a full volume = exit %d, %s", exit, log)
	b.must(t, "rm", full+"/balloon")
	eventually(t, time.Minute, "runs are taken again", func() bool {
		exit, _ := b.runOf(t, trial+"-fanout", "-n", "100", "-c", "5", judgeURL+"/ok")
		return exit == 0
	})
}

// The volume of the store is full from the start: the coordinator does not start, and its log says which file and why.
func TestStoreFullFromTheStart(t *testing.T) {
	b := newBox(t)
	b.onFullVolume(t, true)
	var said string
	eventually(t, time.Minute, "the coordinator has ended", func() bool {
		r := b.try(t, "kubectl", "-n", space, "logs", trial+"-fanout-coordinator-0")
		said = r.stdout
		return r.code == 0 && strings.Contains(said, "fanout:")
	})
	t.Logf("the coordinator says: %s", said)
	if !strings.Contains(said, "/var/lib/fanout/store/coordinator.db") || !strings.Contains(said, "full") || strings.Count(said, "\n") > 2 {
		t.Errorf("the coordinator says %q, want one sentence with the store, and that it is full", said)
	}
}

// runOf is fanout run in a pod of its own with the client certificate of a release, its exit code and what it said.
func (b *box) runOf(t *testing.T, of string, args ...string) (exit int, log string) {
	t.Helper()
	var quoted []string
	for _, arg := range slices.Concat([]string{"run", "--coordinator", of + "-coordinator:7071"}, asClient, args) {
		quoted = append(quoted, `"`+arg+`"`)
	}
	b.kubectl(t, "delete", "pod", "once", "--ignore-not-found")
	manifest := `
apiVersion: v1
kind: Pod
metadata: {name: once, namespace: ` + space + `}
spec:
  restartPolicy: Never` + strings.ReplaceAll(restricted, "\n      ", "\n  ") + `
  containers:
  - name: once` + strings.ReplaceAll(ofContainer, "\n        ", "\n    ") + `
    image: ` + repository + `:` + one + `
    args: [` + strings.Join(quoted, ", ") + `]
    volumeMounts: [{name: tls, mountPath: /etc/fanout/tls}]
  volumes: [{name: tls, secret: {secretName: ` + of + `-client-tls}}]
`
	if err := b.apply(manifest); err != nil {
		t.Fatal(err)
	}
	var how *ended
	eventually(t, 2*time.Minute, "the run has ended", func() bool {
		if all := b.pod(t, "once").Status.ContainerStatuses; len(all) == 1 {
			how = all[0].State.Terminated
		}
		return how != nil
	})
	return how.ExitCode, b.kubectl(t, "logs", "once")
}
