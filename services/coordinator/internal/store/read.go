package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"sync"
	"time"
)

// reader reads an SQLite file, whether or not it may write it.
type reader struct {
	path  string
	db    *sql.DB // of one connection
	epoch int64

	open   sync.RWMutex // held for reading while something is read
	closed bool
}

// Epoch implements Store.
func (r *reader) Epoch() int64 { return r.epoch }

// Close waits for what is being read.
func (r *reader) Close() error {
	r.open.Lock()
	defer r.open.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return explain(r.path, "closed", r.db.Close())
}

// read calls query in a transaction, so that all that it reads belongs together. ctx ends the wait for the connection, but not
// the query: an interrupted connection would be given up, and its lock on the file with it.
func (r *reader) read(ctx context.Context, query func(ctx context.Context, tx *sql.Tx) error) error {
	r.open.RLock()
	defer r.open.RUnlock()
	if r.closed {
		return ErrClosed
	}
	return explain(r.path, "read", func() error {
		conn, err := r.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // gives it back to db
		ctx := context.WithoutCancel(ctx)
		tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // nothing was written
		return query(ctx, tx)
	}())
}

// Unended implements Store.
func (r *reader) Unended(ctx context.Context) (runs []*Run, err error) {
	err = r.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		heads, err := collect(ctx, tx, scanHead, selectUnended)
		if err != nil {
			return err
		}
		for _, head := range heads {
			run, err := readParts(ctx, tx, head)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
		return nil
	})
	return runs, err
}

// Find implements Store.
func (r *reader) Find(ctx context.Context, id string) (run *Run, err error) {
	err = r.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		heads, err := collect(ctx, tx, scanHead, selectRun, id)
		if err != nil {
			return err
		}
		if len(heads) == 0 {
			return noRun(id)
		}
		run, err = readParts(ctx, tx, heads[0])
		return err
	})
	return run, err
}

// readParts is the run with what is stored beside its own row.
func readParts(ctx context.Context, tx *sql.Tx, head Head) (*Run, error) {
	run := &Run{Head: head}
	var err error
	if run.Shards, err = collect(ctx, tx, scanShard, selectShards, head.Number); err != nil {
		return nil, err
	}
	if run.Grants, err = collect(ctx, tx, scanGrant, selectGrants, head.Number); err != nil {
		return nil, err
	}
	if run.Seconds, err = collect(ctx, tx, scanSecond, selectSeconds, head.Number); err != nil {
		return nil, err
	}
	if err := tx.QueryRowContext(ctx, countIntervals, head.Number).Scan(&run.Intervals); err != nil {
		return nil, err
	}
	return run, nil
}

// Page implements Store.
func (r *reader) Page(ctx context.Context, before int64, n int) (page []Head, more bool, err error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	err = r.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		page, err = collect(ctx, tx, scanHead, selectPage, before, oneMore(n))
		page, more = cut(page, n)
		return err
	})
	return page, more, err
}

// Intervals implements Store.
func (r *reader) Intervals(ctx context.Context, runID string, from int64, n int) (page []Interval, more bool, err error) {
	err = r.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var number int64
		err := tx.QueryRowContext(ctx, runNumber, runID).Scan(&number)
		if errors.Is(err, sql.ErrNoRows) {
			return noRun(runID)
		}
		if err != nil {
			return err
		}
		page, err = collect(ctx, tx, scanInterval, selectIntervals, number, from, oneMore(n))
		page, more = cut(page, n)
		return err
	})
	return page, more, err
}

// Request implements Store.
func (r *reader) Request(ctx context.Context, creator, requestID string, after time.Time) (runID, hash string, ok bool, err error) {
	err = r.read(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, selectRequest, creator, requestID, instant(after)).Scan(&runID, &hash)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", false, nil
	}
	return runID, hash, err == nil, err
}
