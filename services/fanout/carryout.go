package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
)

// cancelPatience is how long a cancel may take: as long as a coordinator that is started again just then.
const cancelPatience = 15 * time.Second

// carryOut creates the run and watches it to its end. The first Ctrl-C cancels the run, which then still ends with its
// report; the second ends the process at once, because nothing catches it any more.
//
// where is the coordinator, "" for one in this process. What it says of the run's name goes to standard error: who loses sight of the
// run finds it by that.
func carryOut(ctx context.Context, c *client.Coordinator, about run.NewRun, where string, std stdio) (*run.Run, error) {
	created, err := c.Create(ctx, about)
	if err != nil {
		return nil, &createError{err}
	}
	if where != "" {
		fmt.Fprintf(std.err, "run %s on %s\n", report.Clean(created.ID), where)
	}
	interrupted, release := untilSignal(ctx)
	defer release()
	outlasting, end := context.WithCancel(context.WithoutCancel(ctx)) // the caller's end is a reason to cancel, and no hindrance
	defer end()
	defer context.AfterFunc(interrupted, func() {
		release()
		ctx, cancel := context.WithTimeout(outlasting, cancelPatience)
		defer cancel()
		if err := c.Cancel(ctx, created.ID); err != nil && where != "" && outlasting.Err() == nil {
			fmt.Fprintf(std.err, "fanout: the coordinator does not answer, and the run may go on; fanout runs cancel --coordinator %s %s ends it\n", where, report.Clean(created.ID))
		}
	})()
	return watch(ctx, c, created.ID, std)
}

// createError says that a run was not created, as far as is known.
type createError struct{ error }

// Unwrap is why.
func (e *createError) Unwrap() error { return e.error }

// watch shows how a run goes on until it has ended.
func watch(ctx context.Context, c *client.Coordinator, id string, std stdio) (*run.Run, error) {
	progress := newProgress(std)
	defer progress.clear()
	c.Away = func(err error, wait time.Duration) {
		progress.clear()
		fmt.Fprintf(std.err, "the coordinator does not answer (%s); waiting for it, %v at most\n", report.Clean(rpcerr.Text(err)), wait)
	}
	return c.Watch(ctx, id, progress.show)
}
