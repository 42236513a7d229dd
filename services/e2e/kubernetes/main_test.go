package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the tests, or is the judge, where it is a pod that the tests have made.
func TestMain(m *testing.M) {
	if os.Getenv(judgeVariable) != "" {
		fmt.Fprintln(os.Stderr, serveJudge())
		os.Exit(1)
	}
	flag.Parse()
	stop := guard()
	code := m.Run()
	stop()
	if err := only.end(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// guard ends the cluster when the tests are interrupted, or shortly before go test ends them because they take too long, neither of
// which returns to TestMain.
func guard() (stop func()) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if most := flag.Lookup("test.timeout").Value.(flag.Getter).Get().(time.Duration); most > 2*time.Minute {
		ctx, cancel = context.WithTimeout(ctx, most-time.Minute)
	}
	unregister := context.AfterFunc(ctx, func() {
		fmt.Fprintf(os.Stderr, "the tests end here: %v\n", context.Cause(ctx))
		_ = only.end(true)
		os.Exit(1)
	})
	return func() {
		unregister()
		cancel()
	}
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func run(cmd *exec.Cmd) (result, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, nil
}

// mustRun runs a command that has to end with exit code 0.
func mustRun(cmd *exec.Cmd) (stdout string, err error) {
	r, err := run(cmd)
	if err == nil && r.code != 0 {
		err = fmt.Errorf("%s = exit %d:\n%s%s", strings.Join(cmd.Args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout, err
}

// eventually waits until something is so.
func eventually(t *testing.T, within time.Duration, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !so() {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v it is not so that %s", within, what)
		case <-time.After(100 * time.Millisecond): // asking costs a process
		}
	}
}
