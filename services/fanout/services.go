package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

func newWorker(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Serve the WorkerService: send requests for others", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:7070", "`HOST:PORT` to listen on; port 0 lets the system choose")
	var state stateFlag
	state.add(cmd)
	var callers accessFlags
	callers.add(cmd)
	perSubject := cmd.Flags().Int64("max-calls-per-subject", 0, "most calls at once of one subject of --token-file or of client certificates (default as many as of all)")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cmp.Or(state.check(), callers.check(), atLeastOne(cmd, "max-calls-per-subject", *perSubject)); err != nil {
			return usage(err)
		}
		config := worker.Config{Version: version, Log: newLog(std.err), MaxCallsPerSubject: *perSubject}
		var err error
		if config.Security.Access, err = callers.control(config.Log, false); err != nil {
			return usage(err)
		}
		return serve(cmd, std, *listen, *bound, func(ctx context.Context, l net.Listener) error {
			var err error
			if config.State, err = state.open(ctx, l.Addr(), config.Log); err != nil {
				return failure(err)
			}
			if err := listening(std, "worker", l); err != nil {
				return errors.Join(err, config.State.Close())
			}
			return served(errors.Join(worker.Serve(ctx, l, config), config.State.Close()))
		})
	}
	return cmd
}

func newCoordinator(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "coordinator", Short: "Serve the CoordinatorService: split runs over workers", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:7071", "`HOST:PORT` to listen on; port 0 lets the system choose")
	workers := cmd.Flags().String("workers", "", "workers: `HOST:PORT,HOST:PORT` or dns:///NAME:PORT")
	var store storeFlags
	store.add(cmd)
	var callers accessFlags
	callers.add(cmd)
	perSubject := cmd.Flags().Int64("max-runs-per-subject", coordinator.DefaultMaxRunsPerSubject,
		"most runs at once of one subject of --token-file or of client certificates")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *workers == "" {
			return usage(errors.New("coordinator needs --workers, as in --workers 127.0.0.1:7070"))
		}
		found, err := coordinator.ParseWorkers(*workers)
		if err == nil {
			err = cmp.Or(store.check(cmd.Flags()), callers.check(), atLeastOne(cmd, "max-runs-per-subject", *perSubject))
		}
		if err != nil {
			return usage(err)
		}
		config := coordinator.Config{Workers: found, Log: newLog(std.err), MaxRunsPerSubject: int(*perSubject)}
		if config.Security.Access, err = callers.control(config.Log, false); err != nil {
			return usage(err)
		}
		return serve(cmd, std, *listen, *bound, func(ctx context.Context, l net.Listener) error {
			if config.Store, err = store.open(ctx); err != nil {
				return failure(err)
			}
			config.Log.Info("keeping runs", "store", store.path, "keep", store.keep)
			if err := listening(std, "coordinator", l); err != nil {
				return errors.Join(err, config.Store.Close())
			}
			return served(errors.Join(coordinator.Serve(ctx, l, config), config.Store.Close()))
		})
	}
	return cmd
}

func newTarget(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "target", Short: "Serve the demo target: GET /inc sleeps 0 to 200 ms and counts", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:8080", "`HOST:PORT` to listen on; port 0 lets the system choose")
	quiet := cmd.Flags().Bool("quiet", false, "do not print each sleep and count")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := io.Writer(std.out)
		if *quiet {
			out = nil
		}
		return serve(cmd, std, *listen, *bound, func(ctx context.Context, l net.Listener) error {
			if err := listening(std, "target", l); err != nil {
				return err
			}
			return served(target.NewDemo(out, nil).Serve(ctx, l))
		})
	}
	return cmd
}
