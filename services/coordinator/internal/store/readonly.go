package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readOnly reads a store that no coordinator has open.
type readOnly struct {
	*reader
	shared string // SQLite's file beside the store that this session has made, to be removed; "": it made none
}

var _ Store = (*readOnly)(nil)

// OpenReadOnly opens the store in the file to read it, and changes nothing in it. It is no session of a coordinator: Epoch is that
// of the last one, and what would write fails with ErrReadOnly.
//
// It fails with ErrInUse if a coordinator has the file, with fs.ErrNotExist, ErrCorrupt or ErrNewer.
func OpenReadOnly(ctx context.Context, path string) (Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("store has no absolute path: %w", err)
	}
	if err := checkFile(path); err != nil {
		return nil, err
	}
	source, made := readOnlySource(path)
	db, err := connectOnce(ctx, source)
	if err != nil {
		return nil, errors.Join(explainReadOnly(path, err), removeShared(made))
	}
	s := &readOnly{reader: &reader{path: path, db: db}, shared: made}
	if err := s.begin(context.WithoutCancel(ctx)); err != nil {
		return nil, errors.Join(explainReadOnly(path, err), s.Close())
	}
	return s, nil
}

// readOnlySource is how SQLite has to open the file, and the file beside it that will be made for that. A coordinator that runs or
// was killed leaves a log (-wal) beside the store, which may be empty: it has to be read too, for which SQLite makes an index of it
// (-shm). Without a log nobody has the store open, and SQLite is told so, since it would make a log otherwise.
func readOnlySource(path string) (source, made string) {
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		return dataSource(path, "mode=ro", "immutable=1"), ""
	}
	if _, err := os.Stat(path + "-shm"); errors.Is(err, fs.ErrNotExist) {
		made = path + "-shm"
	}
	return dataSource(path, "mode=ro"), made
}

// explainReadOnly is explain for one who does not write.
func explainReadOnly(path string, err error) error {
	switch classify(path, err) {
	case ErrInUse:
		return failed(ErrInUse, err, "store %s is in use by a coordinator that runs; ask that one for its runs", path)
	case ErrReadOnly:
		return fmt.Errorf("store %s could not be opened; its file must be readable, and its directory writable as long as the log "+
			"of a coordinator that was killed (%s-wal) is in it: %w", path, filepath.Base(path), err)
	default:
		return explain(path, "opened", err)
	}
}

// begin checks that the tables are those that this program knows, and reads the epoch.
func (s *readOnly) begin(ctx context.Context) error {
	provider, err := newProvider(s.db)
	if err != nil {
		return err
	}
	found, err := readSchema(ctx, s.db)
	if err != nil {
		return err
	}
	if err := found.check(s.path, newest(provider)); err != nil {
		return err
	}
	if found.version == 0 {
		return failed(ErrCorrupt, nil, "store %s is empty; no coordinator has used it", s.path)
	}
	if found.version < newest(provider) {
		return failed(ErrReadOnly, nil, "store %s has version %d of the tables, and this program reads version %d; "+
			"start a coordinator with it once, which brings it up to date", s.path, found.version, newest(provider))
	}
	return s.db.QueryRowContext(ctx, readEpoch).Scan(&s.epoch)
}

// Close implements Store.
func (s *readOnly) Close() error {
	return errors.Join(s.reader.Close(), removeShared(s.shared))
}

// removeShared removes the index that SQLite has made, if any.
func removeShared(made string) error {
	if made == "" {
		return nil
	}
	if err := os.Remove(made); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *readOnly) refuse() error {
	return failed(ErrReadOnly, nil, "store %s was opened for reading only", s.path)
}

// Create fails with ErrReadOnly.
func (s *readOnly) Create(context.Context, Head) (int64, error) { return 0, s.refuse() }

// Commit fails with ErrReadOnly.
func (s *readOnly) Commit(context.Context, ...Change) error { return s.refuse() }

// Delete fails with ErrReadOnly.
func (s *readOnly) Delete(context.Context, string) error { return s.refuse() }
