package main

import (
	"context"
	"time"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/run"
)

// cancelPatience is how long a cancel may take: as long as a coordinator that is started again just then.
const cancelPatience = 15 * time.Second

// carryOut creates the run and watches it to its end. The first Ctrl-C cancels the run, which then still ends with its
// report; the second ends the process at once, because nothing catches it any more.
func carryOut(ctx context.Context, c *client.Coordinator, about run.NewRun, std stdio) (*run.Run, error) {
	created, err := c.Create(ctx, about)
	if err != nil {
		return nil, err
	}
	interrupted, release := untilSignal(ctx)
	defer release()
	outlasting, end := context.WithCancel(context.WithoutCancel(ctx)) // the caller's end is a reason to cancel, and no hindrance
	defer end()
	defer context.AfterFunc(interrupted, func() {
		release()
		ctx, cancel := context.WithTimeout(outlasting, cancelPatience)
		defer cancel()
		_ = c.Cancel(ctx, created.ID) // the watch tells whether the coordinator is still there
	})()
	return watch(ctx, c, created.ID, std)
}

// watch shows how a run goes on until it has ended.
func watch(ctx context.Context, c *client.Coordinator, id string, std stdio) (*run.Run, error) {
	progress := newProgress(std)
	defer progress.clear()
	return c.Watch(ctx, id, progress.show)
}
