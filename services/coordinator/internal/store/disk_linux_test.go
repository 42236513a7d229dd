package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mount mounts something on a new directory until the test's end.
func mount(t *testing.T, source, kind string, flags uintptr, data string) (directory string) {
	t.Helper()
	directory = t.TempDir()
	if err := syscall.Mount(source, directory, kind, flags, data); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		// A child that another test has just forked may still have the store's file open, until it executes its program.
		if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
			t.Errorf("Unmount = %v, want no error", err)
		}
	})
	return directory
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	directory := mount(t, "tmpfs", "tmpfs", 0, "size=2m")
	path := filepath.Join(directory, "fanout.db")
	s := openAt(t, path, Options{})
	run := create(t, s, head(1))
	shard := func(i int) Change {
		return Change{RunID: run.ID, Shards: []Shard{{Index: i, Tally: bytes.Repeat([]byte{byte(i)}, 20<<10)}}}
	}
	commit(t, s, shard(0))

	balloon := filepath.Join(directory, "balloon")
	fill(t, balloon)
	stored := 1
	var err error
	for ; err == nil && stored < 100; stored++ {
		err = s.Commit(t.Context(), shard(stored))
	}
	wantError(t, "Commit on a full disk", err, ErrFull, path, "make room")
	_, err = s.Create(t.Context(), Head{ID: "large", About: make([]byte, 1<<20)})
	wantError(t, "Create on a full disk", err, ErrFull)
	if got := find(t, s, run.ID); len(got.Shards) != stored-1 {
		t.Errorf("%d shards are stored, want the %d that were committed", len(got.Shards), stored-1)
	}

	if err := os.Remove(balloon); err != nil {
		t.Fatal(err)
	}
	commit(t, s, shard(stored))
	closeStore(t, s)
	s = openAt(t, path, Options{})
	for _, shard := range find(t, s, run.ID).Shards {
		if !bytes.Equal(shard.Tally, bytes.Repeat([]byte{byte(shard.Index)}, 20<<10)) {
			t.Errorf("the tally of shard %d is damaged", shard.Index)
		}
	}
	closeStore(t, s)

	fill(t, balloon)
	_, err = OpenSQLite(t.Context(), filepath.Join(directory, "new", "fanout.db"), Options{})
	wantError(t, "OpenSQLite on a full disk", err, ErrFull)
}

// fill takes what room is left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Write = %v, want that there is no room", err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

func TestAReadOnlyDirectory(t *testing.T) {
	t.Parallel()
	original := t.TempDir()
	closeStore(t, openAt(t, filepath.Join(original, "closed.db"), Options{}))
	killed := filepath.Join(original, "killed.db")
	runUntilKilled(t, killed, 5, func() {})
	directory := mount(t, original, "", syscall.MS_BIND, "")
	if err := syscall.Mount("", directory, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	for _, name := range []string{"closed.db", "killed.db", "new.db", "new/fanout.db"} {
		path := filepath.Join(directory, name)
		_, err := OpenSQLite(t.Context(), path, Options{})
		wantError(t, "OpenSQLite of "+name, err, ErrReadOnly, path, "make the file and its directory writable")
	}
	s, err := OpenReadOnly(t.Context(), filepath.Join(directory, "closed.db"))
	if err != nil {
		t.Fatalf("OpenReadOnly = %v, want no error", err)
	}
	closeStore(t, s)
	if _, err = OpenReadOnly(t.Context(), filepath.Join(directory, "killed.db")); err == nil {
		t.Error("OpenReadOnly of a killed coordinator's store where no index can be made = no error, want one")
	} else if want := "its directory writable"; !bytes.Contains([]byte(err.Error()), []byte(want)) {
		t.Errorf("OpenReadOnly = %v, want it to say %q", err, want)
	}
}

// A disk that fails becomes read-only under a process, which cannot be had here; so what the system says is classified.
func TestErrorsOfTheSystem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want error
	}{
		{syscall.EROFS, ErrReadOnly},
		{syscall.EACCES, ErrReadOnly},
		{syscall.EPERM, ErrReadOnly},
		{syscall.ENOSPC, ErrFull},
		{syscall.EDQUOT, ErrFull},
		{syscall.EIO, nil},
	} {
		if got := classifySystem(fmt.Errorf("write: %w", c.err)); !errors.Is(got, c.want) {
			t.Errorf("classifySystem(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	directory := t.TempDir()
	if err := tryWrite(directory); err != nil {
		t.Errorf("tryWrite = %v, want no error", err)
	}
	wantFiles(t, directory)
}
