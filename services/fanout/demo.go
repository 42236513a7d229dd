package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/demo"
)

func newDemo(std stdio) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Show what fanout is for, in 20 seconds", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := untilSignal(cmd.Context())
			defer cancel()
			binary, err := os.Executable()
			if err != nil {
				return failure(fmt.Errorf("finding this program to start its parts: %w", err))
			}
			if err := demo.Run(ctx, demo.Config{Binary: binary, Out: std.out}); err != nil {
				if ctx.Err() != nil {
					return &exitError{code: exitCancelled}
				}
				return failure(err)
			}
			return nil
		},
	}
}
