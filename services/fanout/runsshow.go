package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/run"
)

func newRunsShow(std stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{Use: "show [flags] ID", Short: "Print a run's report as fanout run does", Args: oneRun}
	f.addStore(cmd)
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			found, err := c.Find(ctx, args[0])
			if err != nil {
				return ofRun(args[0], err)
			}
			return written(printRun(std, f.output, found))
		})
	}
	return cmd
}

func newRunsWatch(std stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "watch [flags] ID",
		Short: "Follow a run to its end, print its report and exit as fanout run does",
		Long: `Follow a run to its end, print its report and exit as fanout run does. Ctrl-C ends the watching, and not the run; fanout
runs cancel ends a run.`,
		Args: oneRun,
	}
	f.add(cmd)
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			ctx, release := untilSignal(ctx)
			defer release()
			final, err := toEnd(ctx, c, args[0], std, func() error { return nil })
			switch {
			case err != nil && ctx.Err() != nil:
				return &exitError{exitCancelled, fmt.Errorf("the run goes on; fanout runs cancel --coordinator %s %s ends it", f.coordinator, args[0])}
			case err != nil:
				return err
			}
			if err := written(printRun(std, f.output, final)); err != nil {
				return err
			}
			if code := verdictCode(final); code != exitPassed {
				return &exitError{code: code}
			}
			return nil
		})
	}
	return cmd
}

func newRunsCancel(std stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "cancel [flags] ID",
		Short: "End a run cleanly, and print its report",
		Long: `End a run cleanly, as Ctrl-C does in fanout run, wait for its end, and print its report. A run that has ended stays as it is.
Exit code 0: the run has ended.`,
		Args: oneRun,
	}
	f.add(cmd)
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			final, err := toEnd(ctx, c, args[0], std, func() error { return c.Cancel(ctx, args[0]) })
			if err != nil {
				return err
			}
			return written(printRun(std, f.output, final))
		})
	}
	return cmd
}

// toEnd is the run at its end, after first. A coordinator that is not there is found out at once: only later it is waited for.
func toEnd(ctx context.Context, c *client.Coordinator, id string, std stdio, first func() error) (*run.Run, error) {
	found, err := c.Find(ctx, id)
	if err == nil && found.State == run.Ended {
		return found, nil
	}
	if err == nil {
		err = first()
	}
	if err != nil {
		return nil, ofRun(id, err)
	}
	final, err := watch(ctx, c, id, std)
	return final, ofRun(id, err)
}
