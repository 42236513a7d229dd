//go:build unix

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/logtest"
)

// The bounds that leases promise.
const (
	lease   = 8 * time.Second
	renewal = time.Second
	// settled is how long a run may take to end after its load, or after its last worker was lost.
	settled = 15 * time.Second
	// calm is how long processes have to give back what a run took.
	calm = 10 * time.Second
)

// cluster is a coordinator with a store in a file, and its workers with state directories, as processes.
type cluster struct {
	workers     []*process
	coordinator *process
	store       string
	wrap        []string // what runs are started by; nil: nothing

	files   map[*process]int   // at the beginning
	threads map[*process]int64 // at the beginning
}

// newCluster starts so many workers and a coordinator. via, if it is not nil, is how the coordinator reaches a worker.
func newCluster(t *testing.T, workers int, via func(address string) string) *cluster {
	t.Helper()
	c := &cluster{store: filepath.Join(t.TempDir(), "runs.db")}
	var addresses []string
	for k := range workers {
		address := fixedAddress(t)
		w := newProcess(t, address, "worker", "--state-dir", filepath.Join(t.TempDir(), "state-"+strconv.Itoa(k)))
		w.start(t)
		c.workers = append(c.workers, w)
		if via != nil {
			address = via(address)
		}
		addresses = append(addresses, address)
	}
	c.coordinator = newProcess(t, fixedAddress(t), "coordinator", "--workers", strings.Join(addresses, ","), "--store", c.store)
	c.coordinator.start(t)
	c.measure(t)
	return c
}

func (c *cluster) all() []*process { return append([]*process{c.coordinator}, c.workers...) }

// measure notes what the processes have open now.
func (c *cluster) measure(t *testing.T) {
	t.Helper()
	c.files, c.threads = make(map[*process]int), make(map[*process]int64)
	for _, p := range c.all() {
		c.files[p], c.threads[p] = p.files(t), p.status(t, "Threads")
	}
}

// Spare files are those that a process opens once, when it needs them first. Threads that Go has made stay; a leak of one for each
// slot or stream is what would show.
const (
	spareFiles   = 4
	spareThreads = 64
)

// isCalm checks that the processes that live have given back what runs took.
func (c *cluster) isCalm(t *testing.T) {
	t.Helper()
	end := time.Now().Add(calm)
	for _, p := range c.all() {
		if p.ended == nil || !p.alive() {
			continue
		}
		for p.files(t) > c.files[p]+spareFiles && time.Now().Before(end) {
			time.Sleep(20 * time.Millisecond)
		}
		if n := p.files(t); n > c.files[p]+spareFiles {
			t.Errorf("fanout %s %s has %d files open %v after the run, and had %d before", p.args[0], p.address, n, calm, c.files[p])
		}
		if n := p.status(t, "Threads"); n > c.threads[p]+spareThreads {
			t.Errorf("fanout %s %s has %d threads after the run, and had %d before", p.args[0], p.address, n, c.threads[p])
		}
	}
}

// running is fanout run as a process.
type running struct {
	cluster        *cluster
	cmd            *exec.Cmd
	stdout, stderr logtest.Log
	ended          chan struct{}
	begun          time.Time
}

// begin begins a run through the cluster's coordinator, with slot headers and a report in JSON.
func (c *cluster) begin(t *testing.T, args ...string) *running {
	t.Helper()
	all := slices.Concat(c.wrap, []string{binary, "run", "--coordinator", c.coordinator.address, "--slot-header", "-o", "json"}, args)
	r := &running{cluster: c, cmd: exec.Command(all[0], all[1:]...), ended: make(chan struct{}), begun: time.Now()}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Signal(syscall.SIGKILL)
		<-r.ended
	})
	return r
}

// end waits for the run's end, which has to come in time, and holds its report against itself and its coordinator's store.
func (r *running) end(t *testing.T, within time.Duration) (*report, int) {
	t.Helper()
	found, code := r.report(t, within)
	r.cluster.verify(t, found.ID)
	return found, code
}

// report is end without the store.
func (r *running) report(t *testing.T, within time.Duration) (*report, int) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(within):
		t.Fatalf("the run did not end within %v\n%s", within, tail(&r.stderr, 2048))
	}
	code := r.cmd.ProcessState.ExitCode()
	if r.stdout.String() == "" {
		t.Fatalf("the run ended with exit code %d and no report:\n%s", code, tail(&r.stderr, 2048))
	}
	found := parse(t, r.stdout.String())
	found.check(t, code)
	return found, code
}

// verify has the coordinator check what it has stored of the run.
func (c *cluster) verify(t *testing.T, id string) {
	t.Helper()
	if got := c.fanout(t, "runs", "verify", "--coordinator", c.coordinator.address, id); got.code != 0 {
		t.Errorf("runs verify %s = exit %d, want 0\n%s%s", id, got.code, got.stdout, got.stderr)
	}
}

// fanout runs the command where the cluster's runs are started.
func (c *cluster) fanout(t *testing.T, args ...string) result {
	t.Helper()
	all := slices.Concat(c.wrap, []string{binary}, args)
	return execute(t, all[0], all[1:]...)
}

// latest is the newest run as the coordinator shows it now; nil if it has none, or is not there.
func (c *cluster) latest(t *testing.T) *report {
	t.Helper()
	var list struct{ Runs []struct{ ID string } }
	got := c.fanout(t, "runs", "list", "--coordinator", c.coordinator.address, "-o", "json", "--limit", "1")
	if got.code != 0 || json.Unmarshal([]byte(got.stdout), &list) != nil || len(list.Runs) == 0 {
		return nil
	}
	shown := c.fanout(t, "runs", "show", "--coordinator", c.coordinator.address, "-o", "json", list.Runs[0].ID)
	var r report
	if shown.code != 0 || json.NewDecoder(bytes.NewBufferString(shown.stdout)).Decode(&r) != nil {
		return nil
	}
	return &r
}

// knows waits until the coordinator has got so many outcomes.
func (c *cluster) knows(t *testing.T, settled int64) {
	t.Helper()
	eventually(t, time.Minute, "the coordinator knows "+strconv.FormatInt(settled, 10)+" outcomes", func() bool {
		r := c.latest(t)
		return r != nil && r.Counts.Responses+r.Counts.Errors >= settled
	})
}
