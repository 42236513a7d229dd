package mark

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// mountChild is the environment's variable that has the name of the test whose child a process is.
const mountChild = "FANOUT_TEST_MOUNT_CHILD"

// inMounts runs a test a second time, in a process that may mount without anybody else seeing it: it reports true there, and false
// in the test's own process after the child has ended. Where that is not allowed the test is skipped.
func inMounts(t *testing.T) bool {
	t.Helper()
	if os.Getenv(mountChild) == t.Name() {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatalf("making the mounts private: %v", err)
		}
		return true
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	child.Env = append(os.Environ(), mountChild+"="+t.Name())
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		child.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	output, err := child.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.ENOSPC):
		t.Skipf("this process may not make namespaces: %v", err)
	case err != nil:
		t.Errorf("in a process of its own: %v\n%s", err, output)
	}
	return false
}

// mountMemory mounts an empty file system in memory.
func mountMemory(t *testing.T, path, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		t.Fatalf("mounting: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	if !inMounts(t) {
		return
	}
	path := t.TempDir()
	mountMemory(t, path, "")
	closeDir(t, open(t, path)) // its lock is there, and can be taken
	if err := syscall.Mount("", path, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatalf("mounting again, to read only: %v", err)
	}
	_, err := Open(t.Context(), path, 0)
	checkNotWritable(t, path, err)
	_, err = Open(t.Context(), filepath.Join(path, "new"), 0)
	checkNotWritable(t, filepath.Join(path, "new"), err)
}

// A file system that is full refuses new marks, and those that are there go on: no page of theirs needs room.
func TestFull(t *testing.T) {
	t.Parallel()
	if !inMounts(t) {
		return
	}
	path := t.TempDir()
	mountMemory(t, path, "size=64k")
	d := open(t, path)
	var marks []*Mark
	for {
		m, err := d.Create(fmt.Sprint(len(marks)))
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		marks = append(marks, m)
	}
	if len(marks) == 0 {
		t.Fatal("not one mark was made")
	}
	for _, m := range marks {
		m.Granted().Store(10)
		m.Claimed().Add(3)
	}
	d = reopen(t, d)
	for i := range marks {
		checkDead(t, d, fmt.Sprint(i), Count{Claimed: 3, Granted: 10})
	}
}
