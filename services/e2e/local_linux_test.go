package e2e

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

// readReport is the report that a command printed.
func readReport(t *testing.T, got result) *report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		t.Fatalf("exit %d, stderr %q, stdout %q: %v", got.code, got.stderr, got.stdout, err)
	}
	return &r
}

// What a limit on open files does not allow is said before anything is sent, with the limit, and what it allows runs in silence.
func TestFewFiles(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	limited := func(args ...string) result {
		return execute(t, tool(t, "sh"), append([]string{"-c", `ulimit -n 300 && exec "$0" "$@"`, binary}, args...)...)
	}
	got := limited("run", "-c", "1000", "-n", "2000", o.URL()+"/ok")
	if got.code != 1 || !strings.Contains(strings.Join(strings.Fields(got.stdout), " "), "cap of 108 (max_sender_count); ask for fewer") || !strings.Contains(got.stderr, "300 files open") || !strings.Contains(got.stderr, "1,000 requests at once") || o.Ledger().Total() != 0 {
		t.Errorf("1,000 senders with 300 files = exit %d, %q, %q, and %d requests, want it refused, with the reason",
			got.code, got.stdout, got.stderr, o.Ledger().Total())
	}
	got = limited("run", "-c", "100", "-n", "500", "-o", "json", o.URL()+"/ok")
	if r := readReport(t, got); got.code != 0 || r.Counts.Responses != 500 || strings.Contains(got.stderr, "files") {
		t.Errorf("100 senders with 300 files = exit %d, %+v, %q, want 500 responses and no warning", got.code, r.Counts, got.stderr)
	}
}

// A load that needs more senders than there are was limited by whoever bounds them: by the target that keeps them busy where the
// plan does, and by the generator where this machine does, which --strict makes an exit code.
func TestFewSenders(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	for _, tt := range []struct {
		name, files, flags string
		code               int
		limitedBy, reason  string
	}{
		{"the plan's", "4096", "-c 1 -t 2s", 0, "TARGET", "waited for a sender, all of which were busy with the target"},
		{"the plan's, given up", "4096", "-c 1 -t 2s --max-lateness 100ms", 0, "TARGET", "waited for a sender, all of which were busy with the target"},
		{"this machine's", "256", "-t 2s --max-lateness 100ms", 3, "GENERATOR", "a worker could have no more than 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"run", "--strict", "-q", "500", "-z", "1s", "-o", "json", o.URL() + "/delay/500ms"}, strings.Fields(tt.flags)...)
			got := execute(t, tool(t, "sh"), append([]string{"-c", `ulimit -n ` + tt.files + ` && exec "$0" "$@"`, binary}, args...)...)
			if r := readReport(t, got); got.code != tt.code || r.LimitedBy != tt.limitedBy || !strings.Contains(r.LimitedReason, tt.reason) {
				t.Errorf("run = exit %d, limited by %s: %q, want %d, %s: %q", got.code, r.LimitedBy, r.LimitedReason, tt.code, tt.limitedBy, tt.reason)
			}
		})
	}
}

// In a network with fifty ports a run without keep-alive says before it starts that they may not be enough, and counts the slots
// that got none; the others have a response.
func TestFewPorts(t *testing.T) {
	t.Parallel()
	tool(t, "ip")
	// The call that waits for the target leaves a port behind that rests for a while, so it has a range of its own.
	script := `ports() { echo "$@" >/proc/sys/net/ipv4/ip_local_port_range; }
ip link set lo up && ports 40000 40049 || exit 77
"$0" target --quiet --listen 127.0.0.1:8080 >/dev/null & target=$!
until "$0" call -n 1 http://127.0.0.1:8080/inc >/dev/null 2>&1; do :; done
ports 50000 50049
"$0" run -n 1000 -c 200 --requests-per-connection 1 -o json http://127.0.0.1:8080/inc
code=$?
kill $target
exit $code`
	got := execute(t, tool(t, "unshare"), "--net", "--", tool(t, "sh"), "-c", script, binary)
	if got.code == 77 || got.stdout == "" && strings.Contains(got.stderr, "unshare") {
		t.Skipf("this process may not make a network: %s", got.stderr)
	}
	if !strings.Contains(got.stderr, "50 local ports") {
		t.Errorf("stderr = %q, want the number of ports in it", got.stderr)
	}
	r := readReport(t, got)
	lacking := r.errorsOf("LOCAL_PORTS")
	if r.Counts.Planned != 1000 || r.Counts.Responses < 50 || lacking == 0 || r.Counts.Responses+lacking != 1000 {
		t.Errorf("counts = %+v, errors %+v, want responses and LOCAL_PORTS alone", r.Counts, r.Errors)
	}
}

// A worker that runs out of files while it serves says so of the slots that got none, its stream lives, and with files again
// everything goes on.
func TestFilesRunOut(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	worker := start(t, "worker")
	limit := func(n int) {
		t.Helper()
		got := execute(t, tool(t, "prlimit"), "--pid", strconv.Itoa(worker.cmd.Process.Pid), "--nofile="+strconv.Itoa(n)+":20000")
		if got.code != 0 {
			t.Skipf("this process may not limit another: %s", got.stderr)
		}
	}
	// Its caps are those of its start, when there were enough files.
	if got := fanout(t, "call", "--worker", worker.address, "-n", "1", o.URL()+"/ok"); got.code != 0 {
		t.Fatalf("one slot = exit %d, %q", got.code, got.stderr)
	}
	limit(128)
	got := fanout(t, "call", "--worker", worker.address, "-n", "1000", "-o", "json", o.URL()+"/delay/1s")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	r := readReport(t, result{code: got.code, stdout: lines[len(lines)-1], stderr: got.stderr})
	lacking := r.errorsOf("LOCAL_FILES")
	if r.Counts.Planned != 1000 || r.Counts.Responses == 0 || r.Counts.Responses+lacking != 1000 || r.Counts.Responses+1 != o.Ledger().Total() {
		t.Errorf("counts = %+v, errors %+v, and the target saw %d, want one more than the responses, and LOCAL_FILES alone", r.Counts, r.Errors, o.Ledger().Total())
	}
	// The connections that were kept must not cost a slot to another target its descriptor.
	other := oracle(t)
	if got := fanout(t, "call", "--worker", worker.address, "-n", "50", other.URL()+"/ok"); got.code != 0 || !strings.Contains(got.stdout, "50 of 50 responses") {
		t.Errorf("50 slots to another target = exit %d, %q, want 50 responses", got.code, got.stdout)
	}
	limit(4096)
	if got := fanout(t, "call", "--worker", worker.address, "-n", "500", o.URL()+"/delay/100ms"); got.code != 0 || !strings.Contains(got.stdout, "500 of 500 responses") {
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		t.Errorf("500 slots with files again = exit %d, %q, want 500 responses", got.code, lines[len(lines)-1])
	}
}
