package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// wantError checks that an error is the named one, and that its sentence has the texts.
func wantError(t *testing.T, call string, err, want error, texts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v, want %v", call, err, want)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s = %q, want it to have %q", call, err, text)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("%s = %q, want one line", call, err)
	}
}

func TestASecondCoordinatorIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	s := openAt(t, path, Options{})
	began := time.Now()
	_, err := OpenSQLite(t.Context(), path, Options{})
	wantError(t, "OpenSQLite", err, ErrInUse, path, "is in use by another coordinator; give each coordinator a store of its own")
	if waited := time.Since(began); waited < lockPatience {
		t.Errorf("OpenSQLite gave up after %v, want %v", waited, lockPatience)
	}
	_, err = OpenReadOnly(t.Context(), path)
	wantError(t, "OpenReadOnly", err, ErrInUse, path, "ask that one")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = OpenSQLite(ctx, path, Options{})
	wantError(t, "OpenSQLite", err, context.DeadlineExceeded)
	create(t, s, head(1))
}

func TestASecondCoordinatorWaitsForTheFirstToEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	first := openAt(t, path, Options{})
	ending := time.AfterFunc(200*time.Millisecond, func() { closeStore(t, first) })
	defer ending.Stop()
	if second := openAt(t, path, Options{}); second.Epoch() != 2 {
		t.Errorf("Epoch = %d, want 2", second.Epoch())
	}
}

func TestFilesAreTheOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	directory := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(directory, "run? 100% #1.db")
	s := openAt(t, path, Options{})
	create(t, s, head(1))
	for path, want := range map[string]fs.FileMode{directory: 0o700, path: 0o600, path + "-wal": 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("Stat(%s) = %v, %v, want mode %v", path, info, err, want)
		}
	}
	closeStore(t, s)
	wantFiles(t, directory, filepath.Base(path))
}

// wantFiles checks that the directory has these files and no others.
func wantFiles(t *testing.T, directory string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !cmp.Equal(got, want) {
		t.Errorf("files = %q, want %q", got, want)
	}
}

func TestPathsThatAreNoFiles(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for name, open := range openers {
		_, err := open(t.Context(), directory)
		if err == nil || !strings.Contains(err.Error(), "is a directory; give the path of a file") {
			t.Errorf("%s of a directory = %v, want a clear error", name, err)
		}
	}
	file := filepath.Join(directory, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSQLite(t.Context(), filepath.Join(file, "fanout.db"), Options{}); err == nil {
		t.Error("OpenSQLite in a file = no error, want one")
	}
}

var openers = map[string]func(context.Context, string) (Store, error){
	"OpenSQLite":   func(ctx context.Context, path string) (Store, error) { return OpenSQLite(ctx, path, Options{}) },
	"OpenReadOnly": OpenReadOnly,
}

// filled is the bytes of a store with some runs.
func filled(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fanout.db")
	s := openAt(t, path, Options{})
	for i := range 20 {
		run := create(t, s, head(i))
		commit(t, s, Change{RunID: run.ID, Shards: []Shard{{Tally: make([]byte, 20<<10)}}})
	}
	closeStore(t, s)
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	image := filled(t)
	for _, c := range []struct {
		name  string
		image []byte
	}{
		{"no database", []byte(strings.Repeat("This is not a database. ", 1000))},
		{"short text", []byte("hello")},
		{"half a page", image[:2048]},
		{"one page", image[:4096]},
		{"half of the file", image[:len(image)/2/4096*4096]},
		{"a page short", image[:len(image)-4096]},
		{"an overwritten header", append([]byte(strings.Repeat("x", 100)), image[100:]...)},
		{"an overwritten first page", append(append([]byte(nil), image[:100]...), append([]byte(strings.Repeat("x", 3996)), image[4096:]...)...)},
	} {
		for name, open := range openers {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "fanout.db")
				if err := os.WriteFile(path, c.image, 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := open(t.Context(), path)
				wantError(t, name, err, ErrCorrupt, path)
				if got, err := os.ReadFile(path); err != nil || string(got) != string(c.image) {
					t.Errorf("the file was changed (%v), want it left alone", err)
				}
			})
		}
	}
}

func TestDamageThatIsFoundLater(t *testing.T) {
	t.Parallel()
	image := filled(t)
	for page := 4096; page < len(image); page += 4096 {
		copy(image[page:], strings.Repeat("x", 64)) // all but the first, which says what tables there are
	}
	path := filepath.Join(t.TempDir(), "fanout.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSQLite(t.Context(), path, Options{})
	wantError(t, "OpenSQLite", err, ErrCorrupt, path)
}

// rawExec changes a file behind the store's back.
func rawExec(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestANewerStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	closeStore(t, openAt(t, path, Options{}))
	rawExec(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (41, 1)")
	for name, open := range openers {
		_, err := open(t.Context(), path)
		wantError(t, name, err, ErrNewer, path, "version 41", "version 2")
	}
}

func TestTheDatabaseOfAnotherProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	rawExec(t, path, "CREATE TABLE runs (number INTEGER)")
	for name, open := range openers {
		_, err := open(t.Context(), path)
		wantError(t, name, err, ErrCorrupt, path, "another program")
	}
}

func TestATakeoverBehindItsBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	s := openAt(t, path, Options{shared: true})
	run := create(t, s, head(1))
	rawExec(t, path, "UPDATE session SET epoch = 7")
	wantError(t, "Commit", s.Commit(t.Context(), end(run, noon)), ErrFenced, path, "epoch 7", "this one has 1")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "fanout.db")
	_, err := OpenReadOnly(t.Context(), path)
	wantError(t, "OpenReadOnly", err, fs.ErrNotExist, path)
	wantFiles(t, directory)

	s := openAt(t, path, Options{})
	run := create(t, s, head(1))
	closeStore(t, s)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s = beginWith(t, func(ctx context.Context) (Store, error) { return OpenReadOnly(ctx, path) })
	if got := find(t, s, run.ID); !cmp.Equal(got, &Run{Head: run}) || s.Epoch() != 1 {
		t.Errorf("Find = %s, Epoch = %d, want 1", cmp.Diff(got, &Run{Head: run}), s.Epoch())
	}
	_, err = s.Create(t.Context(), head(2))
	wantError(t, "Create", err, ErrReadOnly, path)
	wantError(t, "Commit", s.Commit(t.Context(), end(run, noon)), ErrReadOnly, path)
	wantError(t, "Delete", s.Delete(t.Context(), run.ID), ErrReadOnly, path)
	wantFiles(t, directory, "fanout.db")
	closeStore(t, s)
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v), want it left alone", err)
	}
	wantFiles(t, directory, "fanout.db")
}

func TestReadOnlyOfAnEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenReadOnly(t.Context(), path)
	wantError(t, "OpenReadOnly", err, ErrCorrupt, path, "is empty")
}
