package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// release is the name of the release that the tests share.
const release = "fanout"

// chart is the chart, from this package.
const chart = root + "/services/deploy/chart"

// base are the values of the release in all tests, which set others beside them: images that are here, requests and limits that let
// six workers run on two cores, a volume for the store, and the judge as the one target that is allowed.
const base = `
image: {repository: ` + repository + `, tag: ` + one + `, pullPolicy: Never}
worker:
  replicas: 3
  resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}
coordinator:
  resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 256Mi}}
  persistence: {enabled: true, size: 1Gi, storageClass: store}
allowedTargets: [judge.` + world + `]
`

// storePath is where the node keeps the coordinator's store.
const storePath = "/run/fanout-store"

// helm runs helm for the release's namespace.
func (b *box) helm(t *testing.T, args ...string) result {
	t.Helper()
	return b.try(t, append([]string{"helm", "-n", space}, args...)...)
}

// valuesFile writes values into a file that helm in the box can read.
func valuesFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// ofChart are the chart's path and the flags of its base values, and of others.
func ofChart(t *testing.T, args ...string) []string {
	t.Helper()
	path, err := filepath.Abs(chart)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]string{path, "-f", valuesFile(t, base)}, args)
}

// installed brings the release to the base values, with these flags of helm beside them, and has a console that knows it.
func installed(t *testing.T, args ...string) *box {
	t.Helper()
	b := newBox(t)
	b.upgrade(t, append(args, "--wait", "--timeout", "4m")...)
	b.workersReady(t, 3)
	return b
}

// upgrade installs or upgrades the release to the base values, with these flags of helm beside them.
func (b *box) upgrade(t *testing.T, args ...string) string {
	t.Helper()
	fresh := b.helm(t, "status", release).code != 0
	if fresh {
		if err := b.volume("store", storePath); err != nil {
			t.Fatal(err)
		}
	}
	r := b.helm(t, append([]string{"upgrade", "--install", release}, ofChart(t, args...)...)...)
	if r.code != 0 {
		t.Fatalf("helm upgrade --install = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	if fresh {
		b.console(t)
	}
	return r.stdout
}

// console makes the console, with the certificates that the release has now.
func (b *box) console(t *testing.T) {
	t.Helper()
	b.kubectl(t, "delete", "deployment", "console", "--ignore-not-found")
	if err := b.apply(theConsole); err != nil {
		t.Fatal(err)
	}
	if err := b.rolledOut(space, "deployment/console"); err != nil {
		t.Fatal(err)
	}
}

// uninstall removes the release, with what helm leaves of it.
func (b *box) uninstall(t *testing.T) {
	t.Helper()
	if b.helm(t, "status", release).code != 0 {
		return
	}
	if r := b.helm(t, "uninstall", release, "--wait", "--timeout", "2m"); r.code != 0 {
		t.Fatalf("helm uninstall = exit %d:\n%s%s", r.code, r.stdout, r.stderr)
	}
	left := strings.Fields(b.kubectl(t, "get", "statefulset,service,job,configmap,networkpolicy,pdb", "-l", "app.kubernetes.io/instance="+release, "-o", "name"))
	if len(left) > 0 {
		t.Errorf("helm uninstall leaves %q", left)
	}
	b.kubectl(t, "delete", "pvc,secret", "-l", "app.kubernetes.io/instance="+release, "--ignore-not-found")
	b.must(t, "kubectl", "delete", "pv", "store")
	b.must(t, "rm", "-rf", storePath)
}
