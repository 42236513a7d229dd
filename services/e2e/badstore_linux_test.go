package e2e

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the store's own, to make one of a newer program
)

// readOnly makes a file system that tmpfs has mounted one that cannot be written; root may write whatever its files' modes say.
func readOnly(t *testing.T, directory string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", directory, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
}

// storeAt makes a store as a coordinator leaves it.
func storeAt(t *testing.T, path string) {
	t.Helper()
	c := newProcess(t, fixedAddress(t), "coordinator", "--workers", "127.0.0.1:1", "--store", path)
	c.start(t)
	c.signal(terminate)
	if code := c.exit(t, settled); code != 0 {
		t.Fatalf("the coordinator ended with exit code %d", code)
	}
}

// A store that a coordinator cannot use ends it with one sentence, which has the store's path and says what to do.
func TestBadStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T) (path string)
		want    []string
	}{
		{"in use", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "runs.db")
			newProcess(t, fixedAddress(t), "coordinator", "--workers", "127.0.0.1:1", "--store", path).start(t)
			return path
		}, []string{"in use by another coordinator", "give each coordinator a store of its own"}},
		{"not a store", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "runs.db")
			write(t, path, []byte(strings.Repeat("no store at all\n", 1000)))
			return path
		}, []string{"damaged, or is no store", "move it away"}},
		{"damaged", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "runs.db")
			storeAt(t, path)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 200; i < len(text); i++ {
				text[i] ^= 0xa5
			}
			write(t, path, text)
			return path
		}, []string{"damaged", "move it away"}},
		{"read-only", func(t *testing.T) string {
			disk := tmpfs(t, "")
			storeAt(t, filepath.Join(disk, "runs.db"))
			readOnly(t, disk)
			return filepath.Join(disk, "runs.db")
		}, []string{"cannot be written", "give another path"}},
		{"full disk", func(t *testing.T) string {
			disk := tmpfs(t, "size=64k")
			fill(t, filepath.Join(disk, "balloon"))
			return filepath.Join(disk, "runs.db")
		}, []string{"full", "make room"}},
		{"newer", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "runs.db")
			storeAt(t, path)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999999, 1)"); err != nil {
				t.Fatal(err)
			}
			return path
		}, []string{"version 99999999", "use the fanout that wrote it, or a newer one"}},
		{"a directory", func(t *testing.T) string { return t.TempDir() }, []string{"directory", "give the path of a file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.prepare(t)
			isRefused(t, append(tt.want, path), "coordinator", "--workers", "127.0.0.1:1", "--store", path)
		})
	}
}

// So it is with a worker's state directory that was asked for.
func TestBadStateDirectory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T) (path string)
		want    []string
	}{
		{"in use", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "state")
			newProcess(t, fixedAddress(t), "worker", "--state-dir", path).start(t)
			return path
		}, []string{"in use by another worker", "give each worker its own"}},
		{"a file", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "state")
			write(t, path, nil)
			return path
		}, []string{"cannot be used", "choose another with --state-dir"}},
		{"read-only", func(t *testing.T) string {
			disk := tmpfs(t, "")
			readOnly(t, disk)
			return filepath.Join(disk, "state")
		}, []string{"cannot be used", "choose another with --state-dir"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := tt.prepare(t)
			isRefused(t, append(tt.want, path), "worker", "--state-dir", path)
		})
	}
}

// On a full disk a worker starts, since it needs no room before its first shard, and takes none: the run says why, and sends nothing.
func TestFullStateDirectory(t *testing.T) {
	t.Parallel()
	disk := tmpfs(t, "size=64k")
	fill(t, filepath.Join(disk, "balloon"))
	o, path := oracle(t), filepath.Join(disk, "state")
	w := start(t, "worker", "--state-dir", path)
	got := fanout(t, "run", "--workers", w.address, "-n", "5", "-o", "json", o.URL()+"/ok")
	r := parse(t, got.stdout)
	for _, part := range []string{w.address, "--state-dir", "no space"} {
		if !strings.Contains(r.VerdictReason, part) {
			t.Errorf("the reason %q is without %q", r.VerdictReason, part)
		}
	}
	if strings.Contains(r.VerdictReason, path) {
		t.Errorf("the reason %q tells a caller the worker's path %s", r.VerdictReason, path)
	}
	if got.code != 1 || r.Verdict != "FAILED" || o.Ledger().Total() != 0 {
		t.Errorf("run = exit %d, %s, and %d requests were sent, want 1, FAILED and none", got.code, r.Verdict, o.Ledger().Total())
	}
}

// isRefused starts a service that has to end at once, with exit code 1 and one sentence that has all that is wanted.
func isRefused(t *testing.T, want []string, args ...string) {
	t.Helper()
	p := newProcess(t, fixedAddress(t), args...)
	if err := p.tryStart(); err == nil {
		t.Fatalf("fanout %q started", args)
	}
	code, text := p.exit(t, time.Minute), p.log.String()
	if code != 1 || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "fanout: ") {
		t.Errorf("fanout %q = exit %d, %q, want 1 and one sentence", args, code, text)
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("fanout %q says %q, without %q", args, text, part)
		}
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
