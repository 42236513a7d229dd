package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestTwoWorkersAndACoordinator(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	one, two := start(t, "worker"), start(t, "worker")
	c := start(t, "coordinator", "--workers", one.address+","+two.address)
	got := fanout(t, "run", "-n", "2000", "-c", "20", "--slot-header", "--name", "pair", "--label", "k=v",
		"--coordinator", c.address, "-o", "json", o.URL()+"/ok")
	r := parse(t, got.stdout)
	if got.code != 0 || r.Counts.Responses != 2000 || len(r.Workers) != 2 || r.Workers[0].Counts.Responses != 1000 {
		t.Errorf("run = exit %d, %+v, workers %+v, want 2,000 responses, half from each\n%s", got.code, r.Counts, r.Workers, got.stderr)
	}
	if key, n := o.Ledger().MaxPerSlot(); o.Ledger().Total() != 2000 || n != 1 {
		t.Errorf("the target saw %d requests, %s %d times, want 2,000, each once", o.Ledger().Total(), key, n)
	}
}

// A run that is to wait for its workers, and for the coordinator, begins when they are there, and fails when they do not come.
func TestAwaitWorkers(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	here, later := start(t, "worker"), "127.0.0.1:"+freePort(t)
	c := start(t, "coordinator", "--workers", here.address+","+later)
	missing := fanout(t, "run", "--await-workers", "2", "--await-timeout", "1s", "--coordinator", c.address, o.URL()+"/ok")
	if missing.code != 1 || missing.stdout != "" || o.Ledger().Total() != 0 {
		t.Errorf("run = exit %d, %q, and the target saw %d requests, want 1 and nothing", missing.code, missing.stdout, o.Ledger().Total())
	}
	for _, want := range []string{"1 of 2", "coordinator " + c.address, later, "--await-workers"} {
		if !strings.Contains(missing.stderr, want) {
			t.Errorf("stderr %q does not name %q", missing.stderr, want)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, "run", "--await-workers", "2", "--coordinator", c.address, "-n", "100", "-c", "4", "-o", "json", o.URL()+"/ok")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	startAt(t, later, "worker")
	_ = cmd.Wait()
	if r := parse(t, stdout.String()); cmd.ProcessState.ExitCode() != 0 || len(r.Workers) != 2 || r.Counts.Responses != 100 {
		t.Errorf("run = exit %d, %+v, workers %+v, want 100 responses of two workers\n%s", cmd.ProcessState.ExitCode(), r.Counts, r.Workers, stderr.String())
	}
}

// A worker is killed in the middle, and lost when it has not answered for a lease: what it was granted is unknown, the other one
// carries out the rest, and every slot is in exactly one cell. With CONTINUE the rest of its part is not sent.
func TestKillOneOfTwoWorkers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		args  []string
		slots int64 // 0: ended by the duration
		// At most: one lease and one renewal of its load, in a closed loop at least a hundred for each of its senders.
		unknown int64
	}{
		{"closed loop with requests", []string{"-n", "10000", "-c", "20"}, 10_000, 4500},
		{"open loop", []string{"-q", "500", "-z", "4s"}, 2000, 2000},
		{"open loop, continue", []string{"-q", "100", "-z", "20s", "--on-worker-loss", "continue"}, 2000, 450},
		{"closed loop with a duration", []string{"-z", "4s", "-c", "20"}, 0, 4500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			one, two := start(t, "worker"), start(t, "worker")
			args := append([]string{"run", "--workers", one.address + "," + two.address, "--slot-header", "-o", "json"}, tt.args...)
			var stdout, stderr bytes.Buffer
			cmd := exec.Command(binary, append(args, o.URL()+"/delay/20ms")...)
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for o.Ledger().Total() < 300 {
				time.Sleep(5 * time.Millisecond)
			}
			_ = two.cmd.Process.Kill()
			_ = cmd.Wait()
			r := parse(t, stdout.String())
			code := cmd.ProcessState.ExitCode()
			r.check(t, code)
			if code != 3 || r.Verdict != "INCOMPLETE" || r.Counts.Unknown == 0 || r.Counts.Unknown > tt.unknown {
				t.Fatalf("run = exit %d, %s, %+v, want 3, INCOMPLETE and 1 to %d slots unknown\n%s", code, r.Verdict, r.Counts, tt.unknown, stderr.String())
			}
			if tt.slots != 0 && r.Counts.Planned != tt.slots {
				t.Errorf("planned = %d, want %d", r.Counts.Planned, tt.slots)
			}
			continues := strings.Contains(tt.name, "continue")
			if n := r.notSentOf("WORKER_LOST"); (n > 0) != continues || r.Counts.NotSent != n {
				t.Errorf("not sent = %+v, want WORKER_LOST with CONTINUE alone", r.NotSent)
			}
			if w := r.Workers[0]; w.Failure != nil || w.Counts.Unknown != 0 || w.Counts.Responses != w.Counts.Planned {
				t.Errorf("the worker that was left = %+v, want all its slots answered", w)
			}
			if w := r.Workers[1]; w.Failure == nil || w.Failure.Class != "LOST" || w.Counts.Unknown != r.Counts.Unknown {
				t.Errorf("the worker that was killed = %+v, want LOST, with all that is unknown", w)
			}
			seen := o.Ledger().Total()
			if r.Counts.Responses > seen || seen > r.Counts.Responses+r.Counts.Errors+r.Counts.Unknown {
				t.Errorf("the target saw %d, outside of what %+v allows", seen, r.Counts)
			}
			if key, n := o.Ledger().MaxPerSlot(); n > 1 {
				t.Errorf("%s was sent %d times", key, n)
			}
		})
	}
}

func TestARefusedRunSendsNothing(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	got := fanout(t, "run", "-n", "20000", "-o", "json", o.URL()+"/ok")
	r := parse(t, got.stdout)
	if got.code != 1 || r.Verdict != "FAILED" || r.StartTime != "" || !strings.Contains(r.VerdictReason, "cap") {
		t.Errorf("run = exit %d, %s, start %q, reason %q, want 1, FAILED, none, and the cap", got.code, r.Verdict, r.StartTime, r.VerdictReason)
	}
	if n := o.Ledger().Total(); n != 0 || r.Counts.NotSent != 20000 {
		t.Errorf("%d requests were sent, counts %+v, want none sent", n, r.Counts)
	}
}
