package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/run"
)

func newRunsDelete(_ stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{Use: "delete [flags] ID", Short: "Forget a run that has ended", Args: oneRun}
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			return ofRun(args[0], c.Delete(ctx, args[0]))
		})
	}
	return cmd
}

func newRunsVerify(std stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use:   "verify [flags] ID",
		Short: "Check what is stored of a run that has ended against itself",
		Long: `Check what is stored of a run that has ended against itself, and print each check. Exit code 0: all hold; 3: one does not.
What the run came to is another matter, which fanout runs show tells.`,
		Args: oneRun,
	}
	f.addStore(cmd)
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			checks, err := c.Verify(ctx, args[0])
			switch {
			case err != nil:
				return ofRun(args[0], err)
			case len(checks) == 0: // which is not to say that all hold
				return failure(fmt.Errorf("nothing of run %q was checked; it may be older than its store can check", args[0]))
			}
			if err := written(printChecks(std, f.output, args[0], checks)); err != nil {
				return err
			}
			for _, check := range checks {
				if !check.OK {
					return &exitError{code: exitIncomplete}
				}
			}
			return nil
		})
	}
	return cmd
}

func printChecks(std stdio, output, id string, checks []run.Check) error {
	if output == "json" {
		return report.ChecksJSON(std.out, id, checks)
	}
	return report.ChecksText(std.out, id, checks, textOptions(std))
}
