package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Watch calls each with the run as it is now, again and again until it has ended, and returns it as it ended, with
// histogram buckets if the coordinator is still there to ask for them.
//
// It outlives the coordinator's process: when the stream breaks off before the run's end, it asks again for up to a minute since
// the last message. A coordinator that was started again may know a little less of the run than the one before has shown; one
// that does not know it at all is an error at once, NOT_FOUND.
func (c *Coordinator) Watch(ctx context.Context, id string, each func(*run.Run)) (*run.Run, error) {
	p := newPatience(watchPatience)
	away := false
	for {
		last, err := c.watch(ctx, id, func(r *run.Run) {
			away = false
			p.reset()
			each(r)
		})
		switch {
		case last != nil && last.State == run.Ended:
			return c.whole(ctx, id, last), nil
		case !rpcerr.IsUnavailable(err) && !errors.Is(err, io.EOF):
			return nil, err
		}
		if c.Away != nil && !away && ctx.Err() == nil {
			c.Away(err, watchPatience)
		}
		away = true
		c.redial()
		if err := p.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// watch is one stream of the run, until it ends or breaks off; last is the run as it was last shown, nil if it was not.
func (c *Coordinator) watch(ctx context.Context, id string, each func(*run.Run)) (last *run.Run, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.client.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: id})
	if err != nil {
		return nil, err
	}
	for {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return last, fmt.Errorf("the coordinator ended its stream before the end of run %s: %w", id, err)
		case err != nil:
			return last, err
		}
		last = wire.Run(message.GetRun())
		if last == nil {
			return nil, fmt.Errorf("the coordinator sent a message without a run for run %s", id)
		}
		each(last)
	}
}

// whole is the run with its buckets; from a coordinator that shuts down it is the report without them.
func (c *Coordinator) whole(ctx context.Context, id string, ended *run.Run) *run.Run {
	full, err := c.Find(ctx, id)
	if err != nil {
		return ended
	}
	return full
}
