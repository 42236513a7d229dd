package store

import (
	"context"
	"database/sql"
	"time"
)

// collect is all rows of a query.
func collect[T any](ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) (T, error), text string, values ...any) ([]T, error) {
	rows, err := tx.QueryContext(ctx, text, values...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // Err says what is wrong with them
	var all []T
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// oneMore is a limit that finds out whether there are more than n.
func oneMore(n int) int64 { return max(int64(n), 0) + 1 }

// cut is the first n, and whether there are more.
func cut[T any](all []T, n int) (page []T, more bool) {
	if n = max(n, 0); len(all) > n {
		return all[:n], true
	}
	return all, false
}

func scanHead(rows *sql.Rows) (h Head, err error) {
	var created, started, ended sql.NullInt64
	err = rows.Scan(&h.ID, &h.Number, &h.Creator, &h.RequestID, &h.RequestHash, &created, &h.About, &started, &h.Next, &h.GivenUp, &h.Cancelled,
		&ended, &h.Report)
	h.Created, h.Started, h.Ended = moment(created), moment(started), moment(ended)
	return h, err
}

func scanShard(rows *sql.Rows) (s Shard, err error) {
	err = rows.Scan(&s.Index, &s.ID, &s.Address, &s.InstanceID, &s.LeaseID, &s.Concurrency, &s.Changes, &s.State, &s.Sequence, &s.Rows,
		&s.Closed, &s.Acked, &s.Tally)
	return s, err
}

func scanGrant(rows *sql.Rows) (g Grant, err error) {
	err = rows.Scan(&g.Shard, &g.Ordinal, &g.First, &g.Stride, &g.Count)
	return g, err
}

func scanSecond(rows *sql.Rows) (s Second, err error) {
	err = rows.Scan(&s.Shard, &s.Second, &s.Tally)
	return s, err
}

func scanInterval(rows *sql.Rows) (i Interval, err error) {
	err = rows.Scan(&i.Second, &i.Tally)
	return i, err
}

// moment is the time that nanos has stored, in UTC.
func moment(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.Unix(0, n.Int64).UTC()
}
