package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/run"
)

// listPage is the most runs that are asked for at once.
const listPage = 1000

func newRunsList(std stdio) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{Use: "list", Short: "List runs, newest first", Args: cobra.NoArgs}
	f.addStore(cmd)
	limit := cmd.Flags().Int("limit", 50, "list the newest `N` runs")
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *limit < 1 {
			return usage(fmt.Errorf("--limit %d is not at least 1; give a number of runs, as 50", *limit))
		}
		return f.ask(cmd, func(ctx context.Context, c *client.Coordinator) error {
			runs, err := listRuns(ctx, c, *limit)
			if err != nil {
				return err
			}
			return written(printList(std, f.output, runs))
		})
	}
	return cmd
}

// listRuns is the newest runs, at most limit of them, page after page.
func listRuns(ctx context.Context, c *client.Coordinator, limit int) ([]*run.Run, error) {
	var runs []*run.Run
	for token := ""; ; {
		page, next, err := c.List(ctx, min(limit-len(runs), listPage), token)
		if err != nil {
			return nil, err
		}
		runs = append(runs, page...)
		if len(runs) >= limit || next == "" || len(page) == 0 {
			return runs[:min(len(runs), limit)], nil
		}
		token = next
	}
}

func printList(std stdio, output string, runs []*run.Run) error {
	if output == "json" {
		return report.ListJSON(std.out, runs)
	}
	return report.ListText(std.out, runs, textOptions(std))
}
