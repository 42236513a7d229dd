package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The default store is in the user's state directory, as the XDG Base Directory Specification has it.
func TestDefaultStore(t *testing.T) {
	for _, tt := range []struct{ name, state, home, want string }{
		{"state directory", "/state", "/home/u", "/state/fanout/coordinator.db"},
		{"home alone", "", "/home/u", "/home/u/.local/state/fanout/coordinator.db"},
		{"state directory that is not absolute", "state", "/home/u", "/home/u/.local/state/fanout/coordinator.db"},
		{"state directory without a home", "/state", "", "/state/fanout/coordinator.db"},
		{"neither", "", "", ""},
		{"home that is not absolute", "", "u", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", tt.state)
			t.Setenv("HOME", tt.home)
			got, err := defaultStore()
			if got != tt.want || (err == nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), "--store PATH") {
				t.Errorf("defaultStore() = %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	t.Run("a coordinator", func(t *testing.T) {
		t.Setenv("XDG_STATE_HOME", "")
		t.Setenv("HOME", "")
		if got := command(t, "coordinator", "--workers", "a:1"); got.code != exitUsage || !strings.Contains(got.err, "--store") || got.out != "" {
			t.Errorf("fanout coordinator without a home = exit %d, %q, %q, want 2 and --store", got.code, got.out, got.err)
		}
	})
}

// The default state directory is the port's, in the user's runtime directory, or else in a directory that is this user's alone.
func TestDefaultStateDir(t *testing.T) {
	for _, tt := range []struct {
		name    string
		runtime string                         // "": none
		prepare func(t *testing.T, tmp string) // the temporary directory
		want    string                         // "": none can be used
	}{
		{"runtime directory", "run", nil, "run/fanout/worker-7070"},
		{"none", "", nil, "tmp/fanout-UID/worker-7070"},
		{"none, and it is there", "", func(t *testing.T, tmp string) { mkdir(t, filepath.Join(tmp, "fanout-UID"), 0o700) }, "tmp/fanout-UID/worker-7070"},
		{"none, and others can write it", "", func(t *testing.T, tmp string) { mkdir(t, filepath.Join(tmp, "fanout-UID"), 0o777) }, ""},
		{"none, and it leads elsewhere", "", func(t *testing.T, tmp string) {
			if err := os.Symlink(t.TempDir(), filepath.Join(tmp, "fanout-"+strconv.Itoa(os.Getuid()))); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"none, and no temporary one", "", func(t *testing.T, tmp string) {
			if err := os.Remove(tmp); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			tmp := filepath.Join(base, "tmp")
			mkdir(t, tmp, 0o777)
			t.Setenv("TMPDIR", tmp)
			runtime := ""
			if tt.runtime != "" {
				runtime = filepath.Join(base, tt.runtime)
			}
			t.Setenv("XDG_RUNTIME_DIR", runtime)
			if tt.prepare != nil {
				tt.prepare(t, tmp)
			}
			var logged bytes.Buffer
			f := stateFlag{flag: func(string) bool { return false }}
			state, err := f.open(t.Context(), &net.TCPAddr{Port: 7070}, slog.New(slog.NewTextHandler(&logged, nil)))
			if err != nil || (state != nil) != (tt.want != "") || (logged.Len() == 0) != (tt.want != "") {
				t.Fatalf("open() = %v, %v, log %q, want a directory: %v", state, err, logged.String(), tt.want != "")
			}
			if tt.want == "" {
				return
			}
			want := filepath.Join(base, strings.ReplaceAll(tt.want, "UID", strconv.Itoa(os.Getuid())))
			if _, err := os.Stat(want); err != nil {
				t.Errorf("the directory is not %s: %v", want, err)
			}
			if err := state.Close(); err != nil {
				t.Errorf("Close() = %v, want no error", err)
			}
		})
	}
}

// mkdir makes a directory with just these permissions; UID in its name is the user's.
func mkdir(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	path = strings.ReplaceAll(path, "UID", strconv.Itoa(os.Getuid()))
	if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// A state directory or a store that was asked for, and that cannot be used, is an error, and the service says nothing before.
func TestWhatWasAskedForCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := tempFile(t, "neither a directory nor a store")
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"state directory", []string{"worker", "--listen", "127.0.0.1:0", "--state-dir", file}},
		{"store", []string{"coordinator", "--listen", "127.0.0.1:0", "--workers", "a:1", "--store", file}},
		{"a run's store", []string{"run", "--store", file, "http://127.0.0.1:1/"}},
		{"a store to read", []string{"runs", "list", "--store", file}},
		{"no store to read", []string{"runs", "show", "--store", file + ".none", "r-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := command(t, tt.args...)
			if got.code != exitFailure || got.out != "" || !strings.Contains(got.err, file) || !strings.HasPrefix(got.err, "fanout: ") {
				t.Errorf("fanout %q = exit %d, %q, %q, want 1, nothing, and a sentence with the path", tt.args, got.code, got.out, got.err)
			}
		})
	}
}

// A worker takes the directory that it is told, for its life.
func TestStateDir(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds, for which a worker waits for the one before")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	w := start(t, "worker", "--state-dir", dir)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("the directory is not there: %v", err)
	}
	f := stateFlag{dir: dir, flag: func(string) bool { return true }}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	if state, err := f.open(t.Context(), nil, log); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("open() beside a worker = %v, %v, want an error with the path", state, err)
	}
	w.stop()
	state, err := f.open(t.Context(), nil, log)
	if err != nil || state.Close() != nil {
		t.Errorf("open() after the worker = %v, want no error", err)
	}
}
