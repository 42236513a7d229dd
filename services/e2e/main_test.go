// Package e2e runs the real binary against targets and clients that nobody here wrote, and against the oracle target whose
// ledger is the judge.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/e2e/judging"
)

// binary is the fanout program, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("FANOUT_FAULTS") == "full" && flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "8") // the tests that may run beside others wait most of their time
	}
	dir, err := os.MkdirTemp("", "fanout-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "fanout")
	if out, err := exec.Command("go", "build", "-o", binary, "../fanout").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building fanout: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// tool is the path of a program that tests need but do not bring. Without it the test is skipped by name, but not where
// everything has to run.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("FANOUT_E2E_REQUIRE") != "" {
			t.Fatalf("%s is not installed", name)
		}
		t.Skipf("%s is not installed", name)
	}
	return path
}

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// fanout runs the command to its end.
func fanout(t *testing.T, args ...string) result {
	t.Helper()
	return execute(t, binary, args...)
}

func execute(t *testing.T, program string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %s: %v", program, strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// service is a fanout service that runs as a process.
type service struct {
	address string
	cmd     *exec.Cmd
	ended   chan struct{}
}

// start starts a service on a port that the system chooses; the test's end ends it.
func start(t *testing.T, args ...string) *service {
	t.Helper()
	return startAt(t, "127.0.0.1:0", args...)
}

// startAt starts a service that listens on the address.
func startAt(t *testing.T, listen string, args ...string) *service {
	t.Helper()
	cmd := exec.Command(binary, append(args, "--listen", listen, "--until-stdin-closes")...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+t.TempDir()) // a coordinator's default store is there, and only one may have it
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &service{cmd: cmd, ended: make(chan struct{})}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("fanout %s said nothing: %v", strings.Join(args, " "), err)
	}
	s.address = strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, lines) })
	go func() {
		defer close(s.ended)
		reading.Wait()
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = stdin.Close()
		select {
		case <-s.ended:
		case <-time.After(30 * time.Second):
			t.Errorf("fanout %s did not end when its standard input closed", args[0])
			_ = cmd.Process.Kill()
			<-s.ended
		}
	})
	return s
}

// report is the JSON report of a run, as far as the tests read it.
type report struct {
	ID            string
	Verdict       string
	VerdictReason string
	LimitedBy     string
	LimitedReason string
	StartTime     string
	Counts        counts
	Errors        judging.Errors
	NotSent       []struct {
		Reason string
		Count  int64
	}
	ServiceTime, ResponseTime, FirstByteTime, Lateness struct {
		Count              int64
		Min, P50, P99, Max float64
	}
	Workers []struct {
		Address string
		Counts  counts
		Failure *struct{ Class, Message string }
		Effort  struct{ SenderCount int64 }
	}
}

// counts is where the slots of a run or of a worker are.
type counts struct {
	Planned, Pending, InFlight, Responses, Errors, NotSent, Unknown int64
}

func (r *report) errorsOf(class string) int64 {
	for _, e := range r.Errors {
		if e.Class == class {
			return e.Count
		}
	}
	return 0
}

// parse reads a JSON report and checks that its counts add up.
func parse(t *testing.T, text string) *report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("report is not JSON: %v\n%s", err, text)
	}
	c := r.Counts
	if c.Planned != c.Pending+c.InFlight+c.Responses+c.Errors+c.NotSent+c.Unknown {
		t.Errorf("counts do not add up: %+v", c)
	}
	if c.Pending != 0 || c.InFlight != 0 {
		t.Errorf("counts have open slots at the end: %+v", c)
	}
	return &r
}
