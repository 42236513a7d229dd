package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/run"
)

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usage(fmt.Errorf("-o %q is neither text nor json", output))
	}
	return nil
}

// textOptions lay text out for what standard output is.
func textOptions(std stdio) report.TextOptions {
	width, _, err := term.GetSize(int(std.out.Fd()))
	terminal := err == nil
	if !terminal {
		width = 0
	}
	return report.TextOptions{Width: min(width, 120), Color: terminal}
}

// printRun prints a run's report.
func printRun(std stdio, output string, r *run.Run) error {
	if output == "json" {
		return report.JSON(std.out, r)
	}
	return report.Text(std.out, r, textOptions(std))
}

// written is an error of standard output as one that ends the command.
func written(err error) error {
	if err != nil {
		return failure(err)
	}
	return nil
}
