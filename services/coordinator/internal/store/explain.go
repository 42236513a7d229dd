package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// failure is a sentence for people, with the errors behind it.
type failure struct {
	sentence string
	behind   []error
}

func (f *failure) Error() string   { return f.sentence }
func (f *failure) Unwrap() []error { return f.behind }

// failed is an error with one of this package's errors and the cause behind it.
func failed(named, cause error, format string, values ...any) error {
	behind := []error{named}
	if cause != nil {
		behind = append(behind, cause)
	}
	return &failure{sentence: fmt.Sprintf(format, values...), behind: behind}
}

// noRun is the error about a run that is not stored.
func noRun(id string) error { return fmt.Errorf("run %s: %w", id, ErrNoRun) }

// explain says what an error of SQLite or of the operating system means for the file and what can be done about it. doing says
// what failed: opened, read, written, closed. Errors that say it already, and those of a context, stay as they are.
func explain(path, doing string, err error) error {
	var said *failure
	if err == nil || errors.As(err, &said) || errors.Is(err, ErrNoRun) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	switch named := classify(path, err); named {
	case ErrInUse:
		return failed(named, err, "store %s is in use by another coordinator; give each coordinator a store of its own", path)
	case ErrCorrupt:
		return failed(named, err, "store %s is damaged, or is no store of fanout (%v); move it away, or put a copy in its place", path, err)
	case ErrReadOnly:
		return failed(named, err, "store %s cannot be written (%v); make the file and its directory writable, or give another path", path, err)
	case ErrFull:
		return failed(named, err, "store %s cannot be written, as its disk is full (%v); make room on it", path, err)
	default:
		return fmt.Errorf("store %s could not be %s: %w", path, doing, err)
	}
}

// classify is this package's error for an error of SQLite or of the operating system; nil: there is none.
func classify(path string, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return classifySystem(err)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrInUse
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ErrCorrupt
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return ErrReadOnly
	case sqlite3.SQLITE_FULL:
		return ErrFull
	case sqlite3.SQLITE_IOERR:
		return classifySystem(tryWrite(filepath.Dir(path)))
	default:
		return nil
	}
}

// classifySystem is this package's error for an error of the operating system; nil: there is none.
func classifySystem(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return ErrReadOnly
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return ErrFull
	default:
		return nil
	}
}

// tryWrite writes a file of one page beside the store and removes it. It finds out why SQLite, which does not say, could not write
// in this directory. (To open the store itself would be wrong: closing it would drop SQLite's lock on it.)
func tryWrite(directory string) error {
	file, err := os.CreateTemp(directory, ".fanout-store-*")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, 4096))
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}
