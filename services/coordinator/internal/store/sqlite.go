package store

import (
	"context"
	"database/sql"
	"errors"
)

// sqliteStore is a session with an SQLite file. One connection does everything; what is to be written goes through the group.
type sqliteStore struct {
	*reader
	options    Options
	statements map[string]*sql.Stmt
	group      *group
	stale      bool // the log may have what was to be forgotten; the group's goroutine alone uses it
}

var _ Store = (*sqliteStore)(nil)

// OpenSQLite begins a session with the store in the file, which it creates, with its directory, if there is none; only the
// owner may read it. It waits for up to 2 s for a coordinator that still has the file.
//
// It fails with ErrInUse, ErrCorrupt, ErrNewer, ErrReadOnly or ErrFull. What Commit has stored survives the end of the process
// and of the machine's power. When it replaces what a run was created with, nothing of that stays on the disk, nor of a run that was
// deleted.
func OpenSQLite(ctx context.Context, path string, options Options) (Store, error) {
	path, err := prepareFile(path)
	if err != nil {
		return nil, err
	}
	db, err := connect(ctx, path, options)
	if err != nil {
		return nil, explain(path, "opened", err)
	}
	s, err := begin(ctx, db, path, options)
	if err != nil {
		return nil, errors.Join(explain(path, "opened", err), db.Close())
	}
	return s, nil
}

// begin brings the tables up to date and takes the next epoch, before anything is read.
func begin(ctx context.Context, db *sql.DB, path string, options Options) (*sqliteStore, error) {
	ctx = context.WithoutCancel(ctx) // to be interrupted would cost the connection and its lock
	if err := migrate(ctx, db, path); err != nil {
		return nil, err
	}
	s := &sqliteStore{reader: &reader{path: path, db: db}, options: options.withDefaults(), statements: map[string]*sql.Stmt{}}
	if err := s.raiseEpoch(ctx); err != nil {
		return nil, err
	}
	for _, text := range writing {
		statement, err := db.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		s.statements[text] = statement
	}
	s.forget() // what a session that was killed has left
	s.group = newGroup(s.write)
	return s, nil
}

// raiseEpoch takes the next epoch. It is stored before anything else is done.
func (s *sqliteStore) raiseEpoch(ctx context.Context) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit there is nothing to do
	if err := tx.QueryRowContext(ctx, nextEpoch).Scan(&s.epoch); err != nil {
		return err
	}
	return tx.Commit()
}

// Close stores what was asked for before, waits for what is being read, and gives the file back. Later calls fail with
// ErrClosed; a second Close does nothing.
func (s *sqliteStore) Close() error {
	s.group.close()
	return s.reader.Close()
}

// write makes the jobs of a batch in one transaction. If that fails it makes each in its own, so that one of them, such as a
// change of a run that is not stored, does not fail the others.
func (s *sqliteStore) write(batch []*job) {
	err := s.transact(batch)
	if err == nil || len(batch) == 1 || errors.Is(err, ErrFenced) {
		for _, j := range batch {
			j.result <- err
		}
		return
	}
	for i := range batch {
		batch[i].result <- s.transact(batch[i : i+1])
	}
}

// transact makes the jobs in one transaction, all or none, if this session is still the newest. No caller's context cuts it off.
func (s *sqliteStore) transact(batch []*job) error {
	return explain(s.path, "written", func() error {
		tx, err := s.db.BeginTx(context.Background(), nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // after Commit, and when SQLite has rolled back itself, there is nothing to do
		t := &transaction{tx: tx, prepared: s.statements, statements: map[string]*sql.Stmt{}, options: s.options}
		if err := t.checkEpoch(s.path, s.epoch); err != nil {
			return err
		}
		for _, j := range batch {
			if err := j.apply(t); err != nil {
				return err
			}
		}
		if err := t.prune(); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		if t.forgets || s.stale {
			s.forget()
		}
		return nil
	}())
}

// Create implements Store.
func (s *sqliteStore) Create(ctx context.Context, run Head) (int64, error) {
	var number int64 // written before the result is sent, and read after it has come
	err := s.group.do(ctx, func(t *transaction) (err error) {
		number, err = t.create(&run)
		return err
	})
	if err != nil {
		return 0, err
	}
	return number, nil
}

// Commit implements Store.
func (s *sqliteStore) Commit(ctx context.Context, changes ...Change) error {
	return s.group.do(ctx, func(t *transaction) error {
		for i := range changes {
			if err := t.change(&changes[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Delete implements Store.
func (s *sqliteStore) Delete(ctx context.Context, id string) error {
	return s.group.do(ctx, func(t *transaction) error { return t.delete(id) })
}
