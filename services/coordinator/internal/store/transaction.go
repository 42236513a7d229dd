package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// transaction is what is written together. Its goroutine alone uses it.
type transaction struct {
	tx         *sql.Tx
	prepared   map[string]*sql.Stmt // of the session, by text
	statements map[string]*sql.Stmt // of the transaction, by text
	options    Options
	ended      bool // it has a change that ends a run
	forgets    bool // it replaces or deletes what must not stay on the disk
}

// statement is the prepared statement with this text.
func (t *transaction) statement(text string) *sql.Stmt {
	if t.statements[text] == nil {
		t.statements[text] = t.tx.StmtContext(context.Background(), t.prepared[text])
	}
	return t.statements[text]
}

func (t *transaction) exec(text string, values ...any) (sql.Result, error) {
	return t.statement(text).ExecContext(context.Background(), values...)
}

func (t *transaction) queryRow(text string, values ...any) *sql.Row {
	return t.statement(text).QueryRowContext(context.Background(), values...)
}

// checkEpoch fails with ErrFenced if another session has begun.
func (t *transaction) checkEpoch(path string, epoch int64) error {
	var stored int64
	if err := t.queryRow(readEpoch).Scan(&stored); err != nil {
		return err
	}
	if stored != epoch {
		return failed(ErrFenced, nil, "store %s was taken over by another coordinator, which has epoch %d; this one has %d and has to end",
			path, stored, epoch)
	}
	return nil
}

// number is the run's number, by which its rows refer to it. It fails with ErrNoRun.
func (t *transaction) number(id string) (number int64, err error) {
	err = t.queryRow(runNumber, id).Scan(&number)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, noRun(id)
	}
	return number, err
}

// create adds the run's row and remembers its request_id.
func (t *transaction) create(run *Head) (number int64, err error) {
	result, err := t.exec(insertRun, run.ID, run.Creator, run.RequestID, run.RequestHash, nanos(run.Created), nanos(run.Started), run.Next,
		run.GivenUp, run.Cancelled, nanos(run.Ended), blob(run.Report))
	if isConstraint(err) {
		return 0, exists(run.ID)
	}
	if err != nil {
		return 0, err
	}
	number, err = result.LastInsertId()
	if err != nil {
		return 0, err
	}
	if _, err := t.exec(insertAbout, number, blob(run.About)); err != nil {
		return 0, err
	}
	t.ended = t.ended || !run.Ended.IsZero()
	return number, t.remember(run)
}

// exists is the error about a run that is stored already.
func exists(id string) error { return fmt.Errorf("run %s is stored already", id) }

// isConstraint tells that a row was there already.
func isConstraint(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// remember keeps the run's request_id, and forgets the oldest of too many.
func (t *transaction) remember(run *Head) error {
	if run.RequestID == "" {
		return nil
	}
	if _, err := t.exec(putRequest, run.Creator, run.RequestID, run.ID, run.RequestHash, instant(run.Created)); err != nil {
		return err
	}
	_, err := t.exec(pruneRequests, t.options.requests)
	return err
}

// change makes one change of one run.
func (t *transaction) change(c *Change) error {
	run, err := t.number(c.RunID)
	if err != nil {
		return err
	}
	for _, put := range []func(run int64, c *Change) error{t.putHead, t.putShards, t.putGrants, t.putSeconds, t.putIntervals} {
		if err := put(run, c); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) putHead(run int64, c *Change) error {
	h := c.Head
	if h == nil {
		return nil
	}
	t.ended = t.ended || !h.Ended.IsZero()
	_, err := t.exec(updateRun, nanos(h.Started), h.Next, h.GivenUp, h.Cancelled, nanos(h.Ended), blob(h.Report), run)
	if err != nil {
		return err
	}
	result, err := t.exec(updateAbout, run, blob(h.About))
	if err != nil {
		return err
	}
	replaced, err := result.RowsAffected()
	t.forgets = t.forgets || replaced > 0
	return err
}

func (t *transaction) putShards(run int64, c *Change) error {
	for i := range c.Shards {
		s := &c.Shards[i]
		_, err := t.exec(putShard, run, s.Index, s.ID, s.Address, s.InstanceID, s.LeaseID, s.Concurrency, s.Changes, s.State, s.Sequence,
			s.Rows, s.Closed, s.Acked, blob(s.Tally))
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) putGrants(run int64, c *Change) error {
	for _, g := range c.Grants {
		if _, err := t.exec(putGrant, run, g.Shard, g.Ordinal, g.First, g.Stride, g.Count); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) putSeconds(run int64, c *Change) error {
	for _, s := range c.Seconds {
		if _, err := t.exec(putSecond, run, s.Second, s.Shard, blob(s.Tally)); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) putIntervals(run int64, c *Change) error {
	if len(c.Intervals) == 0 {
		return nil
	}
	last := int64(math.MinInt64)
	for _, i := range c.Intervals {
		if _, err := t.exec(putInterval, run, i.Second, blob(i.Tally)); err != nil {
			return err
		}
		last = max(last, i.Second)
	}
	_, err := t.exec(deleteSeconds, run, last)
	return err
}

// delete forgets a run. Its other rows go with its own.
func (t *transaction) delete(id string) error {
	run, err := t.number(id)
	if err != nil {
		return err
	}
	t.forgets = true
	_, err = t.exec(deleteRun, run)
	return err
}

// prune deletes the runs that ended first of too many, if a run has ended.
func (t *transaction) prune() error {
	if !t.ended {
		return nil
	}
	_, err := t.exec(pruneRuns, t.options.Keep)
	return err
}

// nanos is a time as it is stored: Unix nanoseconds, or NULL.
func nanos(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixNano(), Valid: !t.IsZero()}
}

// instant is a time for comparisons; no time is before all others.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return math.MinInt64
	}
	return t.UnixNano()
}

// blob is bytes as they are stored: none and no bytes are the same, NULL.
func blob(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}
