package main

import (
	"strings"
	"testing"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
)

// A worker sends to loopback alone, or to what its flag says instead; a run in one process sends anywhere; and the flag of a run or call
// keeps it to what it says. Whoever was refused is told by which rule.
func TestAllowTarget(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	url := o.URL() + "/ok"
	closed := start(t, "worker", "--allow-target", "example.internal, 10.0.0.0/8:443", "--allow-target=*.example.internal")
	open := start(t, "worker")
	for _, tt := range []struct {
		name string
		args []string
		code exitCode
		says string
	}{
		{"an embedded call", []string{"call", url}, exitPassed, ""},
		{"an embedded call that keeps to other targets", []string{"call", "--allow-target", "10.0.0.0/8", url}, exitFailed, "allowed_targets allows only 10.0.0.0/8"},
		{"an embedded run that keeps to its target", []string{"run", "--allow-target", "10.0.0.0/8,127.0.0.1", url}, exitPassed, ""},
		{"an embedded run that keeps to other targets", []string{"run", "-n", "100", "--allow-target", "10.0.0.0/8", url}, exitFailed, "stopped after ten requests were refused by the egress guard of worker embedded:7070: 127.0.0.1 is not allowed by the caller"},
		{"a worker without the flag", []string{"call", "--worker", open.address, url}, exitPassed, ""},
		{"a worker without the flag, elsewhere", []string{"call", "--worker", open.address, "http://10.0.0.1/"}, exitFailed, "not allowed by this worker at port 80: --allow-target allows only localhost"},
		{"a worker with the flag", []string{"call", "--worker", closed.address, url}, exitFailed, "--allow-target allows only example.internal, 10.0.0.0/8:443, .example.internal"},
		{"a run on a worker with the flag", []string{"run", "-n", "100", "--workers", closed.address, url}, exitFailed, "egress guard of worker " + closed.address},
		{"a run of few on a worker with the flag", []string{"run", "-n", "2", "--workers", closed.address, url}, exitFailed, "127.0.0.1 is not allowed by this worker at port "},
		{"a worker itself", []string{"call", "--worker", open.address, "http://" + open.address + "/"}, exitFailed, "the worker listens there itself"},
		{"metadata, embedded", []string{"call", "http://169.254.169.254/"}, exitFailed, "metadata"},
	} {
		got := command(t, tt.args...)
		if out := strings.Join(strings.Fields(got.out), " "); got.code != tt.code || !strings.Contains(out, tt.says) { // which is broken into lines
			t.Errorf("%s: fanout %q = exit %d, %q, %q, want %d and %q", tt.name, tt.args, got.code, got.out, got.err, tt.code, tt.says)
		}
	}
	if n := o.Ledger().Total(); n != 3 {
		t.Errorf("the target saw %d requests, want one of each of three", n)
	}
	conn, err := grpcdial.New(closed.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := fanoutv1.NewWorkerServiceClient(conn).GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
	if rules := strings.Join(got.GetAllowedTargets(), " "); err != nil || rules != "example.internal 10.0.0.0/8:443 .example.internal" {
		t.Errorf("GetWorker() = %q, %v, want the rules of the flag", rules, err)
	}
}

// What is no rule is refused where it is written.
func TestAllowTargetUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"worker", "--allow-target", "127.1"}, `"127.1"`},
		{[]string{"worker", "--allow-target", ""}, "empty"},
		{[]string{"worker", "--allow-target", "a.example,,b.example"}, "empty"},
		{[]string{"run", "--allow-target", "http://a.example", "http://a.example"}, "scheme"},
		{[]string{"call", "--allow-target", "10.1.2.3/8", "http://a.example"}, "10.0.0.0/8"},
		{[]string{"run", "--allow-target", strings.Repeat("a.example,", 64) + "a.example", "http://a.example"}, "65 rules"},
	} {
		got := command(t, tt.args...)
		if got.code != exitUsage || !strings.Contains(got.err, "--allow-target") || !strings.Contains(got.err, tt.want) {
			t.Errorf("fanout %q = exit %d, %q, want 2, the flag and %q", tt.args, got.code, got.err, tt.want)
		}
	}
}
