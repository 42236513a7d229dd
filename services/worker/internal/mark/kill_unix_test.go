//go:build linux || darwin

package mark

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The environment of the kill test: the directory of a child, and how often to kill instead of the usual number.
const (
	killDirectory = "FANOUT_TEST_MARK_DIRECTORY"
	killCount     = "FANOUT_TEST_KILLS"
)

// killSenders is how many goroutines a child claims with.
const killSenders = 8

// Whenever a process is killed, sent ≤ mark ≤ sent + senders.
func TestKilled(t *testing.T) {
	if path := os.Getenv(killDirectory); path != "" {
		claimAndSend(t, path)
		return
	}
	mustKeep(t)
	path := t.TempDir()
	for range kills(t) {
		sent := killedChild(t, path)
		d, err := Open(t.Context(), path, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		count, ok := d.Dead("lease")
		if !ok || sent > count.Claimed || count.Claimed > sent+killSenders {
			t.Errorf("%d were sent by %d senders, the mark says %+v, %t", sent, killSenders, count, ok)
		}
		d.Forget("lease")
		closeDir(t, d)
	}
}

func kills(t *testing.T) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv(killCount)); err == nil {
		return n
	}
	if testing.Short() {
		return 5
	}
	return 30
}

// claimAndSend is the child: it sends until it is killed. A byte in the pipe is a slot sent: it is read even if its writer has died.
func claimAndSend(t *testing.T, path string) {
	t.Helper()
	pipe := os.NewFile(3, "pipe")
	m := create(t, open(t, path), "lease", 0, 1<<40)
	for range killSenders {
		go func() {
			for {
				m.Claimed().Add(1)
				if _, err := pipe.Write([]byte{1}); err != nil {
					os.Exit(1) // the parent is gone
				}
			}
		}()
	}
	select {}
}

// killedChild starts a child, kills it at a random moment, and returns how many it has sent.
func killedChild(t *testing.T, path string) (sent int64) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$", "-test.count=1")
	child.Env = append(os.Environ(), killDirectory+"="+path)
	child.ExtraFiles = []*os.File{writer}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close() // the child has its own
	buffered := bufio.NewReader(reader)
	if _, err := buffered.Peek(1); err != nil {
		t.Errorf("the child sent nothing: %v", err)
	}
	killing := time.AfterFunc(time.Duration(rand.Int64N(int64(20*time.Millisecond))), func() { _ = child.Process.Kill() })
	defer killing.Stop()
	sent, err = io.Copy(io.Discard, buffered)
	if err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the child was not killed: %v", err)
	}
	return sent
}
