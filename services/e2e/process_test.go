//go:build unix

package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/logtest"
)

// process is a fanout service at an address of its own, so that it can be killed and started again there.
type process struct {
	address string
	args    []string
	wrap    []string // what it is started by, as ip netns exec NAME; nil: nothing

	cmd   *exec.Cmd
	stdin io.Closer // the system closes it when the tests die, and the service ends
	ended chan struct{}
	log   logtest.Log
}

// newProcess is a service that is not started yet; the test's end ends it.
func newProcess(t *testing.T, address string, args ...string) *process {
	t.Helper()
	p := &process{address: address, args: args}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the log of fanout %s %s:\n%s", args[0], address, tail(&p.log, 1024))
		}
		p.kill()
	})
	return p
}

// start starts the service, and waits until it listens.
func (p *process) start(t *testing.T) {
	t.Helper()
	if err := p.tryStart(); err != nil {
		t.Fatalf("fanout %s: %v\n%s", strings.Join(p.args, " "), err, tail(&p.log, 4096))
	}
}

func (p *process) tryStart() error {
	args := slices.Concat(p.wrap, []string{binary}, p.args, []string{"--listen", p.address, "--until-stdin-closes"})
	p.cmd = exec.Command(args[0], args[1:]...)
	said, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer said.Close()
	p.cmd.Stdout, p.cmd.Stderr = w, &p.log
	p.stdin, err = p.cmd.StdinPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	_ = w.Close()
	if err != nil {
		return err
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	if n, err := said.Read(make([]byte, 256)); n == 0 {
		<-p.ended
		return fmt.Errorf("it ended and said nothing: %v, %w", p.cmd.ProcessState, err)
	}
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// kill kills the process, running or stopped, and reports whether it was there to be killed.
func (p *process) kill() bool {
	if p.cmd == nil || p.cmd.Process == nil || p.ended == nil {
		return false
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
	_ = p.stdin.Close()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// mustKill kills a process that has to be alive until then.
func (p *process) mustKill(t *testing.T) {
	t.Helper()
	if !p.kill() {
		t.Fatalf("fanout %s had ended before it was killed: %v\n%s", p.args[0], p.cmd.ProcessState, tail(&p.log, 4096))
	}
}

// exit waits for the process to end by itself, and returns its exit code.
func (p *process) exit(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		t.Fatalf("fanout %s did not end within %v", p.args[0], within)
		return -1
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop stops the process, and waits until the system says that it is.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.signal(syscall.SIGSTOP)
	eventually(t, 5*time.Second, "the process is stopped", func() bool { return p.state(t) == "T" })
}

func (p *process) goOn() { p.signal(syscall.SIGCONT) }

// state is the process's state as /proc has it.
func (p *process) state(t *testing.T) string {
	t.Helper()
	text := p.proc(t, "stat")
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return fields[0]
}

// status is a number of /proc/PID/status, as VmHWM in KiB or Threads.
func (p *process) status(t *testing.T, field string) int64 {
	t.Helper()
	for line := range strings.Lines(p.proc(t, "status")) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("/proc has no %s", field)
	return 0
}

// files is how many files the process has open.
func (p *process) files(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.pid()), "fd"))
	if err != nil {
		t.Fatalf("counting the open files of fanout %s: %v", p.args[0], err)
	}
	return len(entries)
}

func (p *process) proc(t *testing.T, name string) string {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid()), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
