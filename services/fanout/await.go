package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// awaitBound is how long a run waits for its workers unless a flag says otherwise: an image can be pulled in it, and a pod scheduled.
const awaitBound = 2 * time.Minute

// awaitFlags say for how many workers a run waits before it is created. A run has the workers that are there at its start.
type awaitFlags struct {
	workers int
	timeout duration
}

func (f *awaitFlags) add(flags *pflag.FlagSet) {
	flags.IntVar(&f.workers, "await-workers", 0, "with --coordinator or --workers: wait until `N` workers answer before the run begins")
	f.timeout.value = awaitBound
	flags.Var(&f.timeout, "await-timeout", "with --await-workers: wait so long at most (default 2m)")
}

// check refuses what makes no sense. elsewhere says that the workers are other processes.
func (f *awaitFlags) check(flags *pflag.FlagSet, elsewhere bool) error {
	switch {
	case f.timeout.given && !flags.Changed("await-workers"):
		return errors.New("--await-timeout goes with --await-workers; say for how many workers the run is to wait")
	case !flags.Changed("await-workers"):
		return nil
	case f.workers < 1:
		return fmt.Errorf("--await-workers %d is not at least 1; leave it out to wait for none", f.workers)
	case !elsewhere:
		return errors.New("--await-workers goes with --coordinator or --workers; the worker in this process is always there")
	case f.timeout.value <= 0:
		return fmt.Errorf("--await-timeout %s is not more than 0; give a time to wait, as 2m", f.timeout.text)
	}
	return nil
}

// await waits for the workers, if it was asked for. where names who has them.
func (f *awaitFlags) await(ctx context.Context, c *client.Coordinator, where string, std stdio) error {
	if f.workers == 0 {
		return nil
	}
	interrupted, release := untilSignal(ctx)
	defer release()
	bounded, cancel := context.WithTimeout(interrupted, f.timeout.value)
	defer cancel()
	err := c.AwaitWorkers(bounded, f.workers, func(answering int) {
		fmt.Fprintf(std.err, "waiting for workers: %d of %d answer\n", answering, f.workers)
	})
	switch {
	case err == nil:
		return nil
	case interrupted.Err() != nil:
		return &exitError{exitCancelled, errors.New("interrupted while waiting for workers; nothing was sent")}
	case bounded.Err() != nil:
		return failure(fmt.Errorf("%s: after %v %s; start them, or change --await-workers", where, f.timeout.value, rpcerr.Text(err)))
	default:
		return failure(fmt.Errorf("%s: %s", where, rpcerr.Text(err)))
	}
}
