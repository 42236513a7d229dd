package access

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how old what is known of the file may be: a token that is removed is refused a second later at most.
const recheck = time.Second

// File is a file of named tokens that is read again when it has changed. It is safe for concurrent use.
//
// It is read as a whole, once a second at most, by a call that needs it: it is small, and by its bytes a change is seen that leaves size
// and time as they were.
type File struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu      sync.Mutex
	text    string    // guarded by mu, like what follows
	list    *List     // what the text says, or the last that could be read
	failing string    // why the file is not what list says; "": it is
	checked time.Time // when it was read last
}

// Open reads the file of named tokens at path. What is wrong later is logged, and what was read last holds. The error is one sentence with
// the path, and quotes nothing of the file.
func Open(path string, log *slog.Logger) (*File, error) { return open(path, log, time.Now) }

func open(path string, log *slog.Logger, now func() time.Time) (*File, error) {
	f := &File{path: path, log: log, now: now, checked: now()}
	text, err := f.read()
	if err == nil {
		f.list, err = Parse(text)
	}
	if err != nil {
		return nil, f.explain(err)
	}
	f.text = text
	f.warn()
	return f, nil
}

// Current is what the file says now, or said up to a second ago.
func (f *File) Current() *List {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.checked) < recheck {
		return f.list
	}
	f.checked = now
	f.mu.Unlock() // others go on with what is known meanwhile
	text, err := f.read()
	f.mu.Lock()
	f.takeLocked(text, err)
	return f.list
}

// takeLocked takes what was read.
func (f *File) takeLocked(text string, err error) {
	if err == nil && text == f.text && f.failing == "" {
		return
	}
	var list *List
	if err == nil {
		list, err = Parse(text)
	}
	if err != nil {
		if failing := f.explain(err).Error(); failing != f.failing {
			f.failing = failing
			f.log.Error("the file of tokens cannot be used; what it said before holds", "error", failing)
		}
		return
	}
	if text != f.text {
		f.log.Info("read the file of tokens again", "path", f.path, "entries", len(list.entries))
	}
	f.text, f.list, f.failing = text, list, ""
}

// read is the file's text. One that others can write is refused: they could make themselves admins.
func (f *File) read() (string, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was only read
	if mode := modeOf(file); mode&0o022 != 0 {
		return "", fmt.Errorf("others can write it (mode %04o), and so make themselves admins; chmod 600 it", mode)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxListBytes+1))
	return string(text), err
}

// warn warns of a file that everybody can read. It is used nevertheless: its hashes give nothing away. A group may read it: a service
// that is not the file's owner reads it by that, as that of a mounted secret.
func (f *File) warn() {
	file, err := os.Open(f.path)
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }()
	if mode := modeOf(file); mode&0o004 != 0 {
		f.log.Warn("others can read the file of tokens; its hashes are of no use to them, its names and roles may be: chmod 600 it",
			"path", f.path, "mode", fmt.Sprintf("%04o", mode))
	}
}

// explain is one sentence with the path.
func (f *File) explain(err error) error {
	var line *LineError
	var path *os.PathError
	switch {
	case errors.As(err, &line):
		return fmt.Errorf("%s, %w", f.path, err)
	case errors.As(err, &path): // which names the path itself
		return err
	default:
		return fmt.Errorf("%s: %w", f.path, err)
	}
}
