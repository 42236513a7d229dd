package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// space is the namespace of the release and of whoever calls it, world that of the judge.
const (
	space = "fanout"
	world = "world"
)

// commandMost is how long a command may take that does not say so itself.
const commandMost = 5 * time.Minute

// try runs a command in the box to its end, also when a test cleans up.
func (b *box) try(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandMost)
	defer cancel()
	r, err := run(b.in(ctx, args...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// must runs a command in the box that has to end with exit code 0, and returns its output.
func (b *box) must(t *testing.T, args ...string) string {
	t.Helper()
	r := b.try(t, args...)
	if r.code != 0 {
		t.Fatalf("%s = exit %d:\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// kubectl runs kubectl for the release's namespace.
func (b *box) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return b.must(t, append([]string{"kubectl", "-n", space}, args...)...)
}

// apply makes the cluster's objects what a manifest says.
func (b *box) apply(manifest string) error {
	ctx, cancel := context.WithTimeout(context.Background(), commandMost)
	defer cancel()
	cmd := b.in(ctx, "kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	_, err := mustRun(cmd)
	return err
}

// get reads objects of the release's namespace: what kubectl get -o json says of them.
func (b *box) get(t *testing.T, into any, args ...string) {
	t.Helper()
	text := b.kubectl(t, append([]string{"get", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("kubectl get %s: %v\n%s", strings.Join(args, " "), err, text)
	}
}

// pod is what the tests read of a pod.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp string
	}
	Status struct {
		PodIP             string
		Phase             string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct {
			Name, ContainerID string
			RestartCount      int
			Ready             bool
			State             struct {
				Running    *struct{ StartedAt string }
				Waiting    *struct{ Reason, Message string }
				Terminated *ended
			}
			LastState struct{ Terminated *ended }
		}
	}
}

// ended is how a container ended.
type ended struct {
	ExitCode int
	Reason   string
}

// ready reports whether the pod takes calls and stays.
func (p *pod) ready() bool {
	return p.Metadata.DeletionTimestamp == "" && len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].Ready
}

// pod is the pod of that name.
func (b *box) pod(t *testing.T, name string) *pod {
	t.Helper()
	var found pod
	b.get(t, &found, "pod", name)
	return &found
}

// pods are the pods of a component of the release, whatever they do.
func (b *box) pods(t *testing.T, component string) []*pod {
	t.Helper()
	return b.podsWith(t, labels(component))
}

// podsWith are the pods that labels select.
func (b *box) podsWith(t *testing.T, labels string) []*pod {
	t.Helper()
	var list struct{ Items []*pod }
	b.get(t, &list, "pods", "-l", labels)
	return list.Items
}

// workersReady waits until so many workers, and no others, take calls.
func (b *box) workersReady(t *testing.T, n int) {
	t.Helper()
	eventually(t, 2*time.Minute, fmt.Sprintf("there are %d workers, and all are ready", n), func() bool {
		found := b.pods(t, "worker")
		for _, p := range found {
			if !p.ready() {
				return false
			}
		}
		return len(found) == n
	})
}

// labels select the pods of a component of the release.
func labels(component string) string { return labelsOf(release, component) }

// labelsOf select the pods of a component of any release.
func labelsOf(instance, component string) string {
	return "app.kubernetes.io/instance=" + instance + ",app.kubernetes.io/component=" + component
}

// killContainer kills what runs in the pod, as a machine without memory would, and leaves the pod.
func (b *box) killContainer(t *testing.T, p *pod) {
	t.Helper()
	id := strings.TrimPrefix(p.Status.ContainerStatuses[0].ContainerID, "containerd://")
	b.must(t, "ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", id)
}

// restarted waits until the pod's container has been killed, and another one runs in its place and takes calls.
func (b *box) restarted(t *testing.T, before *pod) *pod {
	t.Helper()
	count := before.Status.ContainerStatuses[0].RestartCount
	var now *pod
	eventually(t, time.Minute, "the container of "+before.Metadata.Name+" runs again", func() bool {
		now = b.pod(t, before.Metadata.Name)
		return now.ready() && now.Status.ContainerStatuses[0].RestartCount > count
	})
	last := now.Status.ContainerStatuses[0].LastState.Terminated
	if now.Metadata.UID != before.Metadata.UID || last == nil || last.ExitCode != 137 {
		t.Fatalf("pod %s, which was %s, is %s, and its container ended as %+v, want the same pod, and exit code 137", before.Metadata.Name,
			before.Metadata.UID, now.Metadata.UID, last)
	}
	return now
}
