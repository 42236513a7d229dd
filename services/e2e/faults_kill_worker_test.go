//go:build unix

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// rate is a load as flags: an open loop of so many a second.
func rate(perSecond, seconds int64, more ...string) []string {
	return append([]string{"-q", strconv.FormatInt(perSecond, 10), "-z", strconv.FormatInt(seconds, 10) + "s"}, more...)
}

// oneLease is the most that can be unknown of a worker that is lost: what it was granted, one lease and one renewal of its load.
func oneLease(perSecond, workers int64) int64 {
	return (perSecond/workers + 1) * int64((lease+renewal)/time.Second)
}

// A worker is killed early, in the middle and near the end. It stays away: what it was granted is unknown, and nothing else.
func TestFaultKillWorker(t *testing.T) {
	t.Parallel()
	for _, percent := range size([]int64{50}, []int64{10, 50, 99}) {
		t.Run(strconv.FormatInt(percent, 10)+" percent", func(t *testing.T) {
			t.Parallel()
			const workers = 3
			perSecond, seconds := size[int64](300, 600), size[int64](4, 20)
			slots := perSecond * seconds
			j := newJudge(t, target.OracleConfig{})
			c := newCluster(t, workers, nil)
			run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
			j.await(t, slots*percent/100)
			victim := c.workers[dice(t).IntN(workers)]
			victim.mustKill(t)
			killed := j.now()
			r, code := run.end(t, time.Duration(seconds)*time.Second+30*time.Second)
			ended := j.now()
			if code != 3 || r.Counts.Planned != slots || r.Counts.Unknown == 0 || r.Counts.Unknown > oneLease(perSecond, workers) {
				t.Errorf("run = exit %d, %+v, want 3, %d slots, and 1 to %d of them unknown", code, r.Counts, slots, oneLease(perSecond, workers))
			}
			if r.Counts.Responses+r.Counts.Unknown != slots {
				t.Errorf("counts = %+v, errors %+v, not sent %+v, want responses and unknown slots alone", r.Counts, r.Errors, r.NotSent)
			}
			r.lost(t, victim.address)
			j.hold(t, r)
			if took := ended - max(killed, j.last()); took > settled {
				t.Errorf("the run ended %v after its last request and the loss, want %v at most", took, settled)
			}
			c.isCalm(t)
		})
	}
}

// again is what a killed worker finds when it is started again, and what is to come of it.
type again struct {
	name    string
	prepare func(t *testing.T, stateDir string)
	knows   bool // it can tell what it had begun
	gone    bool // it says at once that it has forgotten its lease
}

var agains = []again{
	{"its state directory", nil, true, false},
	{"the marks of another boot", otherBoot, false, true},
	{"an empty directory", func(t *testing.T, dir string) {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}, false, true},
}

// otherBoot makes the marks in a state directory those of another boot of the machine.
func otherBoot(t *testing.T, dir string) {
	t.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skipf("no boot id here: %v", err)
	}
	boot = bytes.TrimSpace(boot)
	other := append([]byte("ffffffff"), boot[8:]...)
	marks, err := filepath.Glob(filepath.Join(dir, "*.mark"))
	if err != nil || len(marks) == 0 {
		t.Fatalf("no mark in %s, %v", dir, err)
	}
	for _, path := range marks {
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, boot) {
			t.Fatalf("mark %s does not have the boot id: %v", path, err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(text, boot, other), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A worker is killed and started again at once. The target holds what is in flight at that moment, and the coordinator has
// everything before: with its state directory the worker leaves unknown what was in flight, and the slots that its senders had
// claimed and not yet written; without it what it was granted.
func TestFaultKillWorkerAndStartItAgain(t *testing.T) {
	full(t)
	t.Parallel()
	for _, detail := range []string{"every", "tally-only"} {
		for _, tt := range agains {
			if detail != "every" && !tt.knows {
				continue
			}
			t.Run(tt.name+", "+detail, func(t *testing.T) {
				t.Parallel()
				killAndStartAgain(t, tt, detail)
			})
		}
	}
}

func killAndStartAgain(t *testing.T, tt again, detail string) {
	const workers, victim, perSecond, seconds = 3, 1, 300, 16
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, "--detail", detail, j.URL()+"/ok")...)
	j.await(t, 2*perSecond)
	c.knows(t, j.close())
	eventually(t, time.Minute, "ten are in flight", func() bool { return j.heldOf(victim, workers) >= 10 })
	w := c.workers[victim]
	w.mustKill(t)
	if tt.prepare != nil {
		tt.prepare(t, w.args[2])
	}
	w.start(t)
	time.Sleep(100 * time.Millisecond) // what the dead worker had written arrives
	inFlight := j.heldOf(victim, workers)
	j.open()
	r, code := run.end(t, time.Minute)
	if code != 3 || r.Counts.Planned != perSecond*seconds {
		t.Errorf("run = exit %d, %s, %+v, want 3 and %d slots", code, r.VerdictReason, r.Counts, perSecond*seconds)
	}
	r.lost(t, w.address)
	j.hold(t, r)
	t.Logf("%d in flight, %d unknown, not sent %+v", inFlight, r.Counts.Unknown, r.NotSent)
	if most := inFlight + claimedAhead(perSecond/workers); tt.knows && (r.Counts.Unknown < inFlight || r.Counts.Unknown > most) {
		t.Errorf("%d slots are unknown, want %d in flight to %d", r.Counts.Unknown, inFlight, most)
	}
	if most := oneLease(perSecond, workers); !tt.knows && (r.Counts.Unknown < inFlight || r.Counts.Unknown > most+inFlight) {
		t.Errorf("%d slots are unknown, want %d to %d", r.Counts.Unknown, inFlight, most+inFlight)
	}
	joined := false
	for _, other := range r.Workers[workers:] {
		joined = joined || other.Address == w.address && other.Counts.Responses > 0
	}
	if !joined {
		t.Errorf("the worker that was started again sent nothing: %+v", r.Workers)
	}
	c.isCalm(t)
}

// claimedAhead is how many slots a worker's senders may have claimed that are not due yet, or not written yet: those of 5 ms of its
// load, and one that waits.
func claimedAhead(perSecond int64) int64 { return perSecond*5/1000 + 1 + 1 }

// A worker is killed when the target has answered its last slot and before the coordinator knows: the account that it would have sent
// is lost with it, and nothing else.
func TestFaultKillWorkerBeforeFinished(t *testing.T) {
	full(t)
	t.Parallel()
	const workers, victim, perSecond, seconds = 3, 2, 300, 4
	j := newJudge(t, target.OracleConfig{})
	proxies := make(map[string]*proxy)
	c := newCluster(t, workers, func(address string) string {
		p := newProxy(t, address)
		proxies[p.address()] = p
		return p.address()
	})
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/ok")...)
	j.await(t, perSecond*(seconds-1))
	c.knows(t, j.close())
	link := proxies[strings.Split(c.coordinator.args[2], ",")[victim]]
	j.await(t, perSecond*seconds)
	link.freeze() // nothing comes through any more
	late := j.heldOf(victim, workers)
	j.open()
	time.Sleep(500 * time.Millisecond) // it has its answers, and has told them to the frozen link
	c.workers[victim].mustKill(t)
	c.workers[victim].start(t)
	link.thaw()
	r, code := run.end(t, time.Minute)
	if code != 3 || r.Counts.Unknown != late || r.Counts.Responses != perSecond*seconds-late || late == 0 {
		t.Errorf("run = exit %d, %+v, want 3 and the %d slots unknown that were answered behind the frozen link", code, r.Counts, late)
	}
	r.lost(t, link.address())
	j.hold(t, r)
	c.isCalm(t)
}
