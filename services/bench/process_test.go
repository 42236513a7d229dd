package main

import (
	"strings"
	"testing"
	"time"
)

func TestCommandString(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		command command
		want    string
	}{
		{"plain", pinned(anyCPU, "wrk", "-c64", "http://127.0.0.1/"), "wrk -c64 http://127.0.0.1/"},
		{"pinned, with an environment", pinned(1, "fanout", "run").with("GOMAXPROCS=1"), "GOMAXPROCS=1 taskset -c 1 fanout run"},
		{"quoted", pinned(anyCPU, "a", "b c"), "a 'b c'"},
		{"with input", command{argv: []string{"vegeta"}, cpu: anyCPU, stdin: "GET http://a/\n"}, "echo 'GET http://a/' | vegeta"},
		{"moved", pinned(anyCPU, "a").on(0), "taskset -c 0 a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.command.String(); got != tt.want {
				t.Errorf("String() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestExecute(t *testing.T) {
	t.Parallel()
	sh := func(script string) command { return pinned(anyCPU, "sh", "-c", script) }
	for _, tt := range []struct {
		name       string
		command    command
		bound      time.Duration
		wantStdout string
		wantErr    string
	}{
		{"a success", sh("echo out; echo err >&2"), time.Minute, "out\n", ""},
		{"input", command{argv: []string{"cat"}, cpu: anyCPU, stdin: "in"}, time.Minute, "in", ""},
		{"environment", sh("echo $BENCH_TEST").with("BENCH_TEST=x"), time.Minute, "x\n", ""},
		{"a failure, with its last words", sh("echo why >&2; exit 3"), time.Minute, "", "exit status 3: …why"},
		{"too long, with what it started", sh("sleep 100 & sleep 100"), 50 * time.Millisecond, "", "did not end within 50ms"},
		{"no such program", pinned(anyCPU, "fanout-bench-no-such-program"), time.Minute, "", "not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			got, err := testLab(t).execute(t.Context(), tt.command, tt.bound)
			switch {
			case tt.wantErr == "" && (err != nil || string(got.stdout) != tt.wantStdout):
				t.Errorf("execute = %q, %v, want %q", got.stdout, err, tt.wantStdout)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("execute = %v, want an error with %q", err, tt.wantErr)
			case time.Since(began) > stopBound/2:
				t.Errorf("execute took %v: something was left running", time.Since(began))
			}
		})
	}
}

func TestServeOfWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	_, err := testLab(t).serve(t.Context(), pinned(anyCPU, "sh", "-c", "echo broken >&2; exit 1"))
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("serve = %v, want an error with the last words", err)
	}
}
