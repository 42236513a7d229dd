package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// tmpfs mounts a file system in memory until the test's end. Where that is not allowed the test is skipped by name.
func tmpfs(t *testing.T, options string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", 0, options); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
			t.Errorf("Unmount = %v, want no error", err)
		}
	})
	return directory
}

// fill takes what room is left on a disk, to the last byte that it gives.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for part := make([]byte, 4096); err == nil; {
		_, err = file.Write(part)
	}
	if closed := file.Close(); closed != nil {
		t.Fatal(closed)
	}
}

// The disk of the coordinator's store is full while a run goes on. What cannot be stored is not granted: the run ends by name, no
// slot is sent twice, and the coordinator lives. With room again it takes runs again.
func TestFaultFullDisk(t *testing.T) {
	full(t)
	t.Parallel()
	const perSecond, seconds = 200, 30
	disk := tmpfs(t, "size=4m")
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 2, nil)
	c.coordinator.mustKill(t)
	c.store = filepath.Join(disk, "runs.db")
	c.coordinator.args[4] = c.store
	c.coordinator.start(t)
	c.measure(t)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	j.await(t, 2*perSecond)
	fill(t, filepath.Join(disk, "balloon"))
	full := j.now()
	r, code := run.report(t, 2*time.Minute)
	j.hold(t, r)
	ended := j.now()
	switch {
	case code == 0:
		r.exact(t, perSecond*seconds) // what it had of its file was enough
	case code != 3 || !strings.Contains(r.VerdictReason, c.store):
		t.Errorf("run = exit %d, %s, %q, want 3 and the store", code, r.Verdict, r.VerdictReason)
	case ended-full > 2*lease+settled:
		t.Errorf("the run ended %v after the disk was full, want about a lease", ended-full)
	}
	if !c.coordinator.alive() {
		t.Fatalf("the coordinator has ended: %s", tail(&c.coordinator.log, 2048))
	}
	got := c.fanout(t, "run", "--coordinator", c.coordinator.address, "-n", "5", j.URL()+"/ok")
	if log := c.coordinator.log.String(); got.code != 1 || !strings.Contains(got.stderr, "store failed") || !strings.Contains(log, c.store) || !strings.Contains(log, "make room") {
		t.Errorf("a run on a full disk = exit %d, %q %q, want 1, and the store and what to do in the coordinator's log", got.code, got.stdout, got.stderr)
	}
	if err := os.Remove(filepath.Join(disk, "balloon")); err != nil {
		t.Fatal(err)
	}
	j.Ledger().Reset()
	again, _ := c.begin(t, "-n", "100", "-c", "5", j.URL()+"/ok").end(t, time.Minute)
	again.exact(t, 100)
	j.hold(t, again)
	c.isCalm(t)
}
