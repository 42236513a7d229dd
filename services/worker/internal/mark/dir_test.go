package mark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpenInUse(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	open(t, path)
	synctest.Test(t, func(t *testing.T) {
		for _, wait := range []time.Duration{0, 2 * time.Second} {
			start := time.Now()
			_, err := Open(t.Context(), path, wait)
			want := fmt.Sprintf("state directory %q is in use by another worker; give each worker its own with --state-dir", path)
			if !errors.Is(err, ErrInUse) || err.Error() != want {
				t.Errorf("Open of a directory in use: %v; want %s", err, want)
			}
			if took := time.Since(start); took != wait {
				t.Errorf("Open waited %v, want %v", took, wait)
			}
		}
	})
}

func TestOpenWaits(t *testing.T) {
	t.Parallel()
	first := open(t, t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		closed := time.AfterFunc(time.Second, func() { closeDir(t, first) })
		defer closed.Stop()
		start := time.Now()
		second, err := Open(t.Context(), first.path, 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < time.Second || took > time.Second+2*lockRetry {
			t.Errorf("Open took %v for a directory that was closed after 1s", took)
		}
		closeDir(t, second)
	})
}

func TestOpenEndsWithContext(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	open(t, path)
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		ending := time.AfterFunc(time.Second, func() { cancel(why) })
		defer ending.Stop()
		start := time.Now()
		if _, err := Open(ctx, path, time.Minute); !errors.Is(err, why) || errors.Is(err, ErrInUse) {
			t.Errorf("Open: %v, want %v", err, why)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Open took %v, want 1s", took)
		}
	})
}

func TestOpenNotWritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below"), ""} {
		_, err := Open(t.Context(), path, time.Second)
		checkNotWritable(t, path, err)
	}
}

func checkNotWritable(t *testing.T, path string, err error) {
	t.Helper()
	if !errors.Is(err, ErrNotWritable) {
		t.Errorf("Open(%q): %v, want ErrNotWritable", path, err)
		return
	}
	for _, want := range []string{fmt.Sprintf("state directory %q cannot be used: ", path), "; choose another with --state-dir"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v; want it to say %q", path, err, want)
		}
	}
}

func TestOpenLeavesOthersFiles(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	names := []string{"notes.mark", "lease-agreement.pdf", "lease", ".mark", "thesis.draft"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(path, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reopen(t, open(t, path))
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(path, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestDirectoryIsPrivate(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, filepath.Join(t.TempDir(), "state"))
	create(t, d, "lease", 0, 0)
	for path, want := range map[string]os.FileMode{d.path: 0o700 | os.ModeDir, d.file("lease"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, error %v; want %v", path, info.Mode(), err, want)
		}
	}
}
