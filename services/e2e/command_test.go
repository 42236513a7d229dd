package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

func oracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	for _, tt := range []struct {
		name string
		args []string
		want []string // in the message
	}{
		{"no URL", []string{"run"}, []string{"URL"}},
		{"a typo in a flag", []string{"run", "--concurency", "5", o.URL()}, []string{"--concurency"}},
		{"a flag that is not there yet", []string{"run", "--http2", o.URL()}, []string{"--http2"}},
		{"scheme", []string{"run", "ftp://x/"}, []string{"url", "ftp"}},
		{"URL", []string{"run", "http://"}, []string{"url"}},
		{"header with CR LF", []string{"run", "-H", "A: b\r\nC: d", o.URL()}, []string{"headers[0]", "value"}},
		{"header without a colon, which may be a secret", []string{"run", "-H", "oops", o.URL()}, []string{"-H", "header 1", "Name: value"}},
		{"negative requests", []string{"run", "-n", "-5", o.URL()}, []string{"-n", "-5"}},
		{"requests that overflow", []string{"run", "-n", "99999999999999999999", o.URL()}, []string{"-n", "99999999999999999999"}},
		{"rate that is no number", []string{"run", "-q", "NaN", o.URL()}, []string{"-q", "NaN"}},
		{"infinite rate", []string{"run", "-q", "Inf", o.URL()}, []string{"-q", "Inf"}},
		{"zero duration", []string{"run", "-z", "0", o.URL()}, []string{"-z", "0"}},
		{"duration that is none", []string{"run", "-z", "soon", o.URL()}, []string{"soon"}},
		{"rate times duration", []string{"run", "-q", "1000000", "-z", "24h", o.URL()}, []string{"10"}},
		{"head too large", []string{"run", "-H", "A: " + strings.Repeat("x", 100_000), o.URL()}, []string{"headers"}},
		{"body without end", []string{"run", "-D", "/dev/zero", o.URL()}, []string{"-D", "/dev/zero", "1048576"}},
		{"authorities without end", []string{"run", "--cacert", "/dev/zero", o.URL()}, []string{"--cacert", "/dev/zero", "1048576"}},
		{"output", []string{"run", "-o", "xml", o.URL()}, []string{"-o", "xml"}},
		{"workers awaited in this process", []string{"run", "--await-workers", "1", o.URL()}, []string{"--await-workers", "--coordinator"}},
		{"no workers awaited", []string{"run", "--await-workers", "0", "--workers", "127.0.0.1:1", o.URL()}, []string{"--await-workers 0"}},
		{"a wait for nothing", []string{"run", "--await-timeout", "1s", "--workers", "127.0.0.1:1", o.URL()}, []string{"--await-timeout", "--await-workers"}},
		{"a wait of no time", []string{"run", "--await-timeout", "0", "--await-workers", "1", "--workers", "127.0.0.1:1", o.URL()}, []string{"--await-timeout 0"}},
		{"call without URL", []string{"call"}, []string{"URL"}},
		{"coordinator without workers", []string{"coordinator"}, []string{"--workers"}},
		{"worker off loopback", []string{"worker", "--listen", "0.0.0.0:0"}, []string{"--listen", "0.0.0.0", "loopback", "--tls-cert", "--tls-key", "--tls-ca", "--token-file", "--insecure-listen"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := fanout(t, tt.args...)
			if got.code != 2 || got.stdout != "" {
				t.Errorf("exit %d, stdout %q, want 2 and nothing", got.code, got.stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr %q does not name %q", got.stderr, want)
				}
			}
			if strings.Contains(got.stderr, "goroutine") {
				t.Errorf("stderr has a stack trace: %s", got.stderr)
			}
		})
	}
	t.Cleanup(func() {
		if n := o.Ledger().Total(); n != 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
}

func TestTargetsThatFail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, url, class string
		errors           int64
	}{
		{"nobody listens", "http://127.0.0.1:" + freePort(t) + "/", "DIAL_REFUSED", 20},
		// Ten refusals end the run; of two senders the other may be at it meanwhile.
		{"metadata address", "http://169.254.169.254/latest/", "POLICY_BLOCKED", 10},
		{"metadata address in IPv6", "http://[::ffff:169.254.169.254]/", "POLICY_BLOCKED", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := fanout(t, "run", "-n", "20", "-c", "2", "-o", "json", tt.url)
			r := parse(t, got.stdout)
			n := r.errorsOf(tt.class)
			if got.code != 99 || r.Verdict != "FAILED" || n < tt.errors || n > tt.errors+1 || n+r.notSentOf(tt.class) != 20 {
				t.Errorf("run = exit %d, %s, errors %+v, not sent %+v, want 99, FAILED, %d × %s, and none of the 20 slots otherwise",
					got.code, r.Verdict, r.Errors, r.NotSent, tt.errors, tt.class)
			}
		})
	}
}

func TestServicesThatCannotBeReached(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	address := "127.0.0.1:" + freePort(t)
	for _, flag := range []string{"--workers", "--coordinator"} {
		got := fanout(t, "run", "-n", "5", flag, address, o.URL()+"/ok")
		if got.code != 1 || !strings.Contains(got.stdout+got.stderr, address) {
			t.Errorf("run %s = exit %d, %q %q, want 1 and the address", flag, got.code, got.stdout, got.stderr)
		}
	}
	if n := o.Ledger().Total(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	w := start(t, "worker")
	got := fanout(t, "worker", "--listen", w.address)
	if got.code != 1 || !strings.Contains(got.stderr, "taken") || !strings.Contains(got.stderr, w.address) {
		t.Errorf("worker = exit %d, %q, want 1 and a sentence on the port", got.code, got.stderr)
	}
}

func TestCallPrintsEachBody(t *testing.T) {
	t.Parallel()
	demo := start(t, "target", "--quiet")
	got := fanout(t, "call", "-n", "10", "http://"+demo.address+"/inc")
	if n := strings.Count(got.stdout, "The count is: "); got.code != 0 || n != 10 {
		t.Errorf("call = exit %d with %d bodies, want 0 and 10:\n%s", got.code, n, got.stdout)
	}
	url := "http://" + demo.address
	got = fanout(t, "call", "-o", "json", url+"/inc", url+"/count", url+"/nothing")
	if n := strings.Count(got.stdout, `"slot":`); got.code != 0 || n != 3 {
		t.Errorf("call = exit %d with %d answers, want 0 and 3:\n%s", got.code, n, got.stdout)
	}
}

// The first Ctrl-C ends the run cleanly, with its report.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(binary, "run", "-q", "100", "-z", "60s", "--slot-header", "-o", "json", o.URL()+"/ok")
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for o.Ledger().Total() < 20 {
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	r := parse(t, stdout.String())
	if code := cmd.ProcessState.ExitCode(); code != 130 || r.Verdict != "CANCELLED" {
		t.Errorf("run = exit %d, %s, want 130 and CANCELLED\n%s", code, r.Verdict, stderr.String())
	}
	if r.Counts.Planned != 6000 || r.Counts.Unknown != 0 || r.Counts.Responses+r.Counts.Errors != o.Ledger().Total() {
		t.Errorf("counts = %+v, and the target saw %d", r.Counts, o.Ledger().Total())
	}
}
