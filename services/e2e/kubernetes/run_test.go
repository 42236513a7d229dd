package kubernetes

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/logtest"
)

// coordinator is the release's coordinator, as its users know it.
const coordinator = release + "-coordinator:7071"

// settled is how long a run may take to end after its load, or after its last worker was lost.
const settled = 15 * time.Second

// asClient are the flags by which the console shows the release's client certificate.
var asClient = []string{"--tls-ca", "/etc/fanout/tls/ca.crt", "--tls-cert", "/etc/fanout/tls/tls.crt", "--tls-key", "/etc/fanout/tls/tls.key"}

// running is fanout run in the console.
type running struct {
	box            *box
	cmd            *exec.Cmd
	stdout, stderr logtest.Log
	ended          chan struct{}
}

// begin begins a run through the release's coordinator, with slot headers and a report in JSON, after the judge has forgotten all
// others.
func (b *box) begin(t *testing.T, args ...string) *running {
	t.Helper()
	b.ask(t, "reset")
	ctx, cancel := context.WithCancel(context.Background())
	all := slices.Concat(inConsole("run", "--coordinator", coordinator), asClient, []string{"--slot-header", "-o", "json"}, args)
	r := &running{box: b, cmd: b.in(ctx, all...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		_ = r.cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-r.ended
		if t.Failed() {
			t.Logf("fanout run said:\n%s", r.stderr.String())
		}
	})
	return r
}

// inConsole is fanout with these arguments in the console.
func inConsole(args ...string) []string {
	return append([]string{"kubectl", "-n", space, "exec", "deployment/console", "--", "/fanout"}, args...)
}

// rate are the flags of an open loop.
func rate(perSecond, seconds int64, args ...string) []string {
	return append([]string{"-q", strconv.FormatInt(perSecond, 10), "-z", strconv.FormatInt(seconds, 10) + "s"}, args...)
}

// end waits for the run's end, which has to come in time, and holds its report against itself, its coordinator's store and the judge.
func (r *running) end(t *testing.T, within time.Duration) (*report, int) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(within):
		t.Fatalf("the run did not end within %v", within)
	}
	code := r.cmd.ProcessState.ExitCode()
	if r.stdout.String() == "" {
		t.Fatalf("the run ended with exit code %d and no report", code)
	}
	found := parse(t, r.stdout.String())
	found.check(t, code)
	r.box.hold(t, found)
	r.box.verify(t, found.ID)
	return found, code
}

// over reports whether the run has ended.
func (r *running) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// await waits until so many requests have arrived at the judge.
func (r *running) await(t *testing.T, n int64) {
	t.Helper()
	eventually(t, time.Minute, strconv.FormatInt(n, 10)+" requests have arrived", func() bool {
		if total := r.box.ask(t, "state").Total; total < n && r.over() {
			t.Fatalf("the run ended after %d requests:\n%s%s", total, r.stdout.String(), r.stderr.String())
		} else {
			return total >= n
		}
		return false
	})
}

// verify has the coordinator check what it has stored of the run.
func (b *box) verify(t *testing.T, id string) {
	t.Helper()
	r := b.try(t, inConsole(slices.Concat([]string{"runs", "verify", "--coordinator", coordinator}, asClient, []string{id})...)...)
	if r.code != 0 {
		t.Errorf("runs verify %s = exit %d, want 0\n%s%s", id, r.code, r.stdout, r.stderr)
	}
}

// latest is the newest run as the coordinator shows it now; nil if it has none, or is not there.
func (b *box) latest(t *testing.T) *report {
	t.Helper()
	var list struct{ Runs []struct{ ID string } }
	got := b.try(t, inConsole(slices.Concat([]string{"runs", "list", "--coordinator", coordinator}, asClient, []string{"-o", "json", "--limit", "1"})...)...)
	if got.code != 0 || json.Unmarshal([]byte(got.stdout), &list) != nil || len(list.Runs) == 0 {
		return nil
	}
	got = b.try(t, inConsole(slices.Concat([]string{"runs", "show", "--coordinator", coordinator}, asClient, []string{"-o", "json", list.Runs[0].ID})...)...)
	var r report
	if got.code != 0 || json.Unmarshal([]byte(got.stdout), &r) != nil {
		return nil
	}
	return &r
}

// host is an address without its port.
func host(address string) string {
	return address[:max(strings.LastIndexByte(address, ':'), 0)]
}
