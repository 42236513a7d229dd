package worker_test

import (
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// limitedProcess is set in the process whose memory is limited.
const limitedProcess = "FANOUT_TEST_LIMITED_PROCESS"

// A process with a memory limit takes a call that fits, and refuses one that does not with the limit, what is in use and what the call
// may take; so it stays below the limit, and takes the next that fits.
func TestMemoryLimitOfAProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(limitedProcess) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemoryLimitOfAProcess$", "-test.v")
		cmd.Env = append(os.Environ(), limitedProcess+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Fatalf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	debug.SetMemoryLimit(128 << 20)
	caps := worker.DefaultCaps()
	if caps.Memory != 128<<20 || caps.QueueBytes != 8<<20 {
		t.Fatalf("DefaultCaps() = %+v, want the memory limit, and queues of a sixteenth of it", caps)
	}
	caps.Senders = 16_384 // whatever the limit on files is
	o := oracle(t)
	_, client := start(t, worker.Config{Caps: caps})
	for _, fits := range []bool{true, false, true} {
		load := closedLoop(10_000, 10_000)
		if fits {
			load = closedLoop(20, 20)
		}
		a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(load, o.URL()+"/ok")})
		if fits {
			a.check(t, 20)
			continue
		}
		wantFull(t, a.err, "of 116 MiB of memory are taken", "its limit of 128 MiB (memory_limit_bytes)", "this call may take ", "ask for fewer senders")
	}
	// Each of a hundred that could come to fill the memory counts, before it does.
	bodies := planOf(closedLoop(100, 8), o.URL()+"/stall")
	bodies.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: 1 << 20}}
	admitted := 0
	for range 100 {
		stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: bodies})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = stream.Recv(); err != nil {
			wantFull(t, err, "of 116 MiB of memory are taken")
			break
		}
		admitted++
	}
	if admitted < 1 || admitted > 6 {
		t.Errorf("%d calls of 8 senders with bodies of 1 MiB and queues were admitted, want those that fit into 128 MiB", admitted)
	}
}
