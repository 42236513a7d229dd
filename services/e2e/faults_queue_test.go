//go:build unix

package e2e

import (
	"testing"
	"time"
)

// A target that accepts nothing any more, with eight places in its queue: five hundred dials end, each in time and in its class, and
// when the target goes on so does everything.
func TestFaultAcceptQueueOverflow(t *testing.T) {
	full(t)
	t.Parallel()
	script := `ip link set lo up && echo 8 >/proc/sys/net/core/somaxconn || exit 77
"$0" target --quiet --listen 127.0.0.1:8080 >/dev/null & target=$!
until "$0" call -n 1 http://127.0.0.1:8080/inc >/dev/null 2>&1; do sleep 0.1; done
kill -STOP $target
"$0" run -n 500 -t 3s -o json http://127.0.0.1:8080/inc
code=$?
kill -CONT $target
"$0" run -n 8 http://127.0.0.1:8080/inc >&2 || code=78
kill $target
exit $code`
	begun := time.Now()
	got := execute(t, tool(t, "unshare"), "--net", "--", tool(t, "sh"), "-c", script, binary)
	if got.code == 77 || got.stdout == "" {
		t.Skipf("this process may not make a network: %s", got.stderr)
	}
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("it took %v, with a timeout of 3 s", took)
	}
	r := parse(t, got.stdout)
	dials, answers := r.errorsOf("DIAL_TIMEOUT"), r.errorsOf("TIMEOUT_FIRST_BYTE")
	if got.code != 99 || r.Counts.Planned != 500 || dials+answers != 500 || dials == 0 || answers == 0 {
		t.Errorf("run = exit %d, %+v, errors %+v, want 99, and DIAL_TIMEOUT and TIMEOUT_FIRST_BYTE for 500 slots\n%s", got.code, r.Counts, r.Errors, got.stderr)
	}
}
