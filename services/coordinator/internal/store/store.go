// Package store keeps a coordinator's runs: what was granted to whom before it is sent, what came of it, and the reports. One
// coordinator at a time owns a store. What is kept is plain numbers and text, and messages that are encoded elsewhere.
//
// OpenSQLite keeps them in a file, durably; a Memory keeps them as long as the process lives. OpenReadOnly reads a file.
package store

import (
	"context"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Store is one coordinator's session with a store. It is safe for concurrent use. Its owner closes it.
//
// Every session has an epoch, which is greater than those of all sessions before; it is stored when the session begins. A
// change that finds another epoch in the store fails with ErrFenced, and changes nothing.
//
// What goes in is not kept, and what comes out is the caller's. Times come back in UTC, without a monotonic reading. Bytes of
// length 0 come back as nil. After Close all methods but Epoch and Close fail with ErrClosed.
//
// When ctx ends, a method that writes returns its error at once, though what it was asked for may still be made. After every other
// error of such a method nothing was changed, and a later call may succeed, as when there is room again after ErrFull.
type Store interface {
	// Epoch is the session's number, from 1.
	Epoch() int64
	// Create stores a new run and returns its number, which is greater than those of all runs before. Head.Number is not read.
	// A request_id that is not "" is remembered with the run and its creator: the newest 100,000, in the order in which they came. It fails if a
	// run with this ID is stored.
	Create(ctx context.Context, run Head) (number int64, err error)
	// Commit makes the changes, of different runs, in one transaction: all of them or none. Changes of other callers may go into
	// the same transaction. A change of a run that is not stored fails with ErrNoRun. When a change ends a run, the runs that
	// ended first of more than are kept are deleted, in the same transaction.
	Commit(ctx context.Context, changes ...Change) error
	// Unended is the runs that have not ended, the oldest first, with everything that is stored of them.
	Unended(ctx context.Context) ([]*Run, error)
	// Find is everything that is stored of a run, its intervals excepted. It fails with ErrNoRun.
	Find(ctx context.Context, id string) (*Run, error)
	// Page is at most n runs without their shards and seconds, newest first, with a lower number than before (0: from the
	// newest), and whether there are more.
	Page(ctx context.Context, before int64, n int) (page []Head, more bool, err error)
	// Request is the run that the creator's request_id created and the hash that it came with, if that was after the given time; ok is
	// false if there is none. A run that was deleted is still known here.
	Request(ctx context.Context, creator, requestID string, after time.Time) (runID, hash string, ok bool, err error)
	// Intervals is at most n of the run's complete seconds from the given one on, ascending, and whether there are more. It fails
	// with ErrNoRun.
	Intervals(ctx context.Context, runID string, from int64, n int) (page []Interval, more bool, err error)
	// Delete forgets a run and all of its parts, but not its request_id. It fails with ErrNoRun.
	Delete(ctx context.Context, id string) error
	// Close ends the session, after what was asked for before it. Another Close does nothing.
	Close() error
}

// Run is all that is stored of a run.
type Run struct {
	Head
	Shards  []Shard  // by index
	Grants  []Grant  // by shard, then by ordinal
	Seconds []Second // of seconds that are not complete, by second, then by shard
	// Intervals is how many seconds are complete: those from 0 to the last Interval.
	Intervals int64
}

// Head is a run's own row.
type Head struct {
	ID          string
	Number      int64  // in the order of creation
	Creator     string // the subject; "": nobody was asked for a name
	RequestID   string
	RequestHash string
	Created     time.Time
	About       []byte    // what the run was created with, encoded
	Started     time.Time // the common start by the wall clock; zero: it has none yet
	Next        int64     // the first slot that nobody was granted, in the order of granting
	GivenUp     int64     // slots before Next that nobody was granted
	Cancelled   string    // why it was cancelled; "": it was not
	Ended       time.Time // zero: it goes on
	Report      []byte    // the run at its end, encoded; nil before
}

// Shard is one worker's part of a run.
type Shard struct {
	Index       int // in the run, from 0
	ID          string
	Address     string
	InstanceID  string
	LeaseID     string
	Concurrency int64
	Changes     int64  // load changes so far; the last one has set Concurrency
	State       string // what the run made of it; opaque here
	Sequence    int64  // of Tally
	Rows        int64  // outcomes received as rows up to Tally
	Closed      int64  // outcomes in the shard's seconds that are complete
	Acked       int64  // seconds before it are complete and stored
	Tally       []byte // the newest tally, encoded; nil: none came
}

// Grant is slots that a shard was granted, after Ordinal others.
type Grant struct {
	Shard   int
	Ordinal int64
	schedule.Grant
}

// Second is a shard's figures of a complete second, until the second is complete in every shard.
type Second struct {
	Shard  int
	Second int64
	Tally  []byte
}

// Interval is a run's figures of a second that is complete in every shard.
type Interval struct {
	Second int64
	Tally  []byte
}

// Change is what changes of one run.
type Change struct {
	RunID string
	// Head replaces the run's row, but for Number, Creator, RequestID, RequestHash and Created. Nil: it stays.
	Head *Head
	// Shards replace or add rows, by index.
	Shards []Shard
	// Grants replace or add rows, by shard and ordinal.
	Grants []Grant
	// Seconds replace or add rows, by shard and second.
	Seconds []Second
	// Intervals replace or add rows, by second; the shards' seconds up to the last of them are deleted.
	Intervals []Interval
}
