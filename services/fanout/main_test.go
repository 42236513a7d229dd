package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/target"
)

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// result is how a command ended.
type result struct {
	code     exitCode
	out, err string
}

// command carries out the command in this process.
func command(t *testing.T, args ...string) result {
	t.Helper()
	return begin(t.Context(), t, args...)()
}

// begin begins the command in this process, to which the context's end is a Ctrl-C; end waits for it.
func begin(ctx context.Context, t *testing.T, args ...string) (end func() result) {
	t.Helper()
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	std := stdio{in: in, out: emptyFile(t, "out"), err: emptyFile(t, "err")}
	ended := make(chan exitCode, 1) // for its one result
	go func() { ended <- execute(ctx, args, std) }()
	return func() result {
		t.Helper()
		code := <-ended
		_, _, _ = std.in.Close(), std.out.Close(), std.err.Close()
		return result{code, content(t, std.out), content(t, std.err)}
	}
}

func emptyFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func content(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tempFile is a file with a content.
func tempFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// identityFiles are files with a new certificate for a client, and its key; and the authority that has signed it.
func identityFiles(t *testing.T) (authority *target.Certificates, cert, key string) {
	t.Helper()
	authority, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := authority.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	return authority, tempFile(t, string(certPEM)), tempFile(t, string(keyPEM))
}

// service is a service that runs in this process.
type service struct {
	address string
	stop    func() // ends it, and waits for it
}

// start starts a service on a port that the system chooses; the test's end ends it.
func start(t *testing.T, args ...string) service {
	t.Helper()
	in, closeIn := pipe(t)
	said, out := pipe(t)
	std := stdio{in: in, out: out, err: emptyFile(t, "err")}
	switch args = slices.Clone(args); args[0] { // what is given overrides it
	case "worker":
		args = slices.Insert(args, 1, "--state-dir", "none")
	case "coordinator":
		args = slices.Insert(args, 1, "--store", "memory")
	}
	ended := make(chan exitCode, 1) // for its one result
	go func() {
		ended <- execute(t.Context(), append(args, "--listen", "127.0.0.1:0", "--until-stdin-closes"), std)
		_ = out.Close()
	}()
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("fanout %s said nothing: %v", strings.Join(args, " "), err)
	}
	s := service{address: strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = closeIn.Close()
		_, _ = io.Copy(io.Discard, lines) // until it has ended
		if code := <-ended; code != exitPassed {
			t.Errorf("fanout %s = exit %d, %s, want 0", args[0], code, content(t, std.err))
		}
		_, _ = said.Close(), std.err.Close()
	}
	t.Cleanup(s.stop)
	return s
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

func startOracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return o
}

// closedPort is the URL of a target that is down.
func closedPort(t *testing.T) string {
	t.Helper()
	o := startOracle(t)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	return o.URL() + "/ok"
}

// eventually waits for what is about to come true.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// firstLine is the sentence of a message, without what helps beside it.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
