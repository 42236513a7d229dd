package enginetest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// childOf is the environment's variable that has the name of the test whose child a process is.
const childOf = "FANOUT_TEST_CHILD"

// inChild runs a test a second time, in a process of its own that may do to itself what the others would suffer from: it reports
// true there, and false in the test's own process after the child has ended. attributes may put the child into namespaces; where
// that is not allowed the test is skipped.
func inChild(t *testing.T, attributes *syscall.SysProcAttr, environment ...string) bool {
	t.Helper()
	if os.Getenv(childOf) == t.Name() {
		return true
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	child.Env = append(append(os.Environ(), environment...), childOf+"="+t.Name())
	child.SysProcAttr = attributes
	output, err := child.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC):
		t.Skipf("this process may not make namespaces: %v", err)
	case err != nil:
		t.Errorf("in a process of its own: %v\n%s", err, output)
	default:
		t.Logf("in a process of its own:\n%s", output)
	}
	return false
}

// newNetwork puts a child into a network of its own, as root there.
func newNetwork() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Geteuid() != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// command runs a program of the system for a test, which is skipped where there is none.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("there is no %s here", name)
	}
	if output, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, output)
	}
}

// setting sets one of the network's settings.
func setting(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o600); err != nil {
		t.Skipf("this process may not set net/%s: %v", name, err)
	}
}
