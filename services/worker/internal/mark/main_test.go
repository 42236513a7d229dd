package mark

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a directory until the test's end, or until the test closes it.
func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDir(t, d) })
	return d
}

func closeDir(t *testing.T, d *Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// reopen is what the next process sees of a directory.
func reopen(t *testing.T, d *Dir) *Dir {
	t.Helper()
	closeDir(t, d)
	return open(t, d.path)
}

// create makes a lease's mark that counts claimed of granted.
func create(t *testing.T, d *Dir, lease string, claimed, granted int64) *Mark {
	t.Helper()
	m, err := d.Create(lease)
	if err != nil {
		t.Fatal(err)
	}
	m.Granted().Store(granted)
	m.Claimed().Store(claimed)
	return m
}

func remove(t *testing.T, m *Mark) {
	t.Helper()
	if err := m.Remove(); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

// mustKeep skips a test where no marks are kept.
func mustKeep(t testing.TB) {
	t.Helper()
	if bootID() == "" {
		t.Skip("this system does not say which boot this is: no marks are kept")
	}
}

func checkDead(t *testing.T, d *Dir, lease string, want Count) {
	t.Helper()
	if got, ok := d.Dead(lease); !ok || got != want {
		t.Errorf("Dead(%q) = %+v, %t; want %+v", lease, got, ok, want)
	}
}

func checkNotDead(t *testing.T, d *Dir, lease string) {
	t.Helper()
	if got, ok := d.Dead(lease); ok {
		t.Errorf("Dead(%q) = %+v, want none", lease, got)
	}
}

// checkFiles checks which files of ours are there, drafts and all.
func checkFiles(t *testing.T, d *Dir, leases ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(d.path, namePrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(leases) {
		t.Errorf("the directory has %q, want the files of %q only", files, leases)
	}
	for _, lease := range leases {
		if _, err := os.Lstat(d.file(lease)); err != nil {
			t.Errorf("lease %q: %v", lease, err)
		}
	}
}

// patch writes bytes into a file.
func patch(t *testing.T, path string, offset int64, data []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(data, offset); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// patchFound makes a mark one that was found dead so long ago.
func patchFound(t *testing.T, path string, ago time.Duration) {
	t.Helper()
	if err := setFound(path, time.Now().Add(-ago).Unix()); err != nil {
		t.Fatal(err)
	}
}
