package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fanout-load/fanout/services/worker"
)

func TestSecretFlags(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(string(filepath.Separator))
	if err != nil {
		t.Fatal(err)
	}
	f := secretFlags{env: []string{"A", "B"}, files: []string{filepath.Join(root, "a") + "/../b//c"}}
	got, err := f.secrets()
	want := worker.Secrets{Env: []string{"A", "B"}, Files: []string{filepath.Join(root, "b", "c")}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(worker.Secrets{}, "LookupEnv")); err != nil || diff != "" {
		t.Errorf("secrets = %v, -want +got:\n%s", err, diff)
	}
	for _, wrong := range []secretFlags{{env: []string{""}}, {env: []string{"A=canary"}}, {env: []string{"A}"}}, {files: []string{"relative"}}, {files: []string{""}}, {files: []string{root + "}"}}} {
		if _, err := wrong.secrets(); err == nil || !strings.Contains(err.Error(), "--allow-secret-") {
			t.Errorf("secrets of %q = %v, want it refused by the flag", wrong, err)
		}
	}
	if got := command(t, "worker", "--allow-secret-file", "relative"); got.code != exitUsage || !strings.Contains(got.err, `--allow-secret-file "relative" is not an absolute path`) {
		t.Errorf("fanout worker = exit %d, %s, want it refused", got.code, got.err)
	}
}

// In one process with its caller all of the caller's secrets are his to send; a worker elsewhere sends what it was told to allow.
func TestSecretsOfTheCaller(t *testing.T) {
	t.Setenv("FANOUT_TEST_SECRET", "from-the-environment")
	file := tempFile(t, "from-a-file\n")
	o := startOracle(t)
	reference := []string{"-H", "Authorization: Bearer ${env:FANOUT_TEST_SECRET}", "-d", "${file:" + file + "}", "-m", "POST", o.URL() + "/echo"}
	got := command(t, append([]string{"call"}, reference...)...)
	if got.code != exitPassed || !strings.Contains(got.out, "Bearer from-the-environment") || !strings.Contains(got.out, "from-a-file") {
		t.Errorf("fanout call = exit %d, %s%s, want the target to have both secrets", got.code, got.out, got.err)
	}
	strict := start(t, "worker", "--allow-secret-env", "FANOUT_TEST_SECRET")
	got = command(t, append([]string{"call", "--worker", strict.address}, reference...)...)
	if got.code != exitUsage || !strings.Contains(got.err, "--allow-secret-file") || strings.Contains(got.err, "--allow-secret-env") || strings.Contains(got.err, "from-") {
		t.Errorf("fanout call --worker = exit %d, %s, want the file alone refused", got.code, got.err)
	}
	generous := start(t, "worker", "--allow-secret-env", "FANOUT_TEST_SECRET", "--allow-secret-file", file)
	got = command(t, append([]string{"call", "--worker", generous.address}, reference...)...)
	if got.code != exitPassed || !strings.Contains(got.out, "Bearer from-the-environment") || !strings.Contains(got.out, "from-a-file") {
		t.Errorf("fanout call --worker = exit %d, %s%s, want both secrets", got.code, got.out, got.err)
	}
	// Through a coordinator it is the run that does not start, and says why.
	got = command(t, append([]string{"run", "--workers", strict.address}, reference...)...)
	if got.code != exitFailure || !strings.Contains(strings.Join(strings.Fields(got.out), " "), "start it with --allow-secret-file") {
		t.Errorf("fanout run --workers = exit %d, %s%s, want a run that did not start and the flag", got.code, got.out, got.err)
	}
}

// What is shown of URLs beside their answers has no secrets, and still tells them apart.
func TestNamesOfURLs(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	secret := strings.Replace(o.URL(), "http://", "http://user:canary@", 1)
	got := command(t, "call", secret+"/ok?token=canary1", secret+"/ok?token=canary2", o.URL()+"/status/404")
	if strings.Contains(got.out+got.err, "canary") || !strings.Contains(got.out, "/ok?[redacted] (URL 1)") || !strings.Contains(got.out, "/ok?[redacted] (URL 2)") ||
		strings.Contains(got.out, "(URL 3)") {
		t.Errorf("fanout call prints\n%s%s, want each URL without its secrets, with its place", got.out, got.err)
	}
	for _, args := range [][]string{
		{"run", "-H", "canary", "http://a.test/"},
		{"run", "-H", "canary: a\xff", "http://a.test/"},
		{"run", "--header=A: canary\xff", "http://a.test/"},
		{"run", "-d", "canary\xff", "http://a.test/"},
		{"run", "http://u:canary@a.test/?canary\xff"},
		{"run", "http://u:canary@a.test:0/?canary"},
		{"call", "-H", "A: canary\n", "http://a.test/"},
		{"call", "-H", "A canary: x", "http://a.test/"},
	} {
		if got := command(t, args...); got.code != exitUsage || strings.Contains(got.out+got.err, "canary") {
			t.Errorf("fanout %q = exit %d, %s, want it refused without its secret", args, got.code, got.err)
		}
	}
}
