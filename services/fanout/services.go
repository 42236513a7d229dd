package main

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/grpctls"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

func newWorker(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Serve the WorkerService: send requests for others", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:7070", "`HOST:PORT` to listen on; port 0 lets the system choose")
	var state stateFlag
	state.add(cmd)
	var targets targetRules
	targets.add(cmd.Flags(), "targets to send to, instead of loopback alone: a host, .SUFFIX, address, CIDR, localhost or *, each with :PORT if only that; may be repeated")
	var caps workerCapsFlags
	caps.add(cmd)
	var security serverSecurity
	security.add(cmd, grpctls.Serving)
	var secrets secretFlags
	secrets.add(cmd)
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config := worker.Config{Version: version, Log: newLog(std.err)}
		err := state.check()
		if err == nil {
			config.Dialer, err = targets.dialer()
		}
		if err == nil {
			config.Secrets, err = secrets.secrets()
		}
		if err == nil {
			limitMemory(config.Log)
			err = caps.take(&config)
		}
		if err == nil {
			err = security.open(cmd.Flags(), config.Log)
		}
		if err != nil {
			return usage(err)
		}
		return security.serve(cmd, std, *listen, *bound, config.Log, func(ctx context.Context, l net.Listener) error {
			config.Security, config.Health, config.Metrics = security.server, security.plain.probes, security.plain.endpoint()
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
	var caps coordinatorCapsFlags
	caps.add(cmd)
	var security serverSecurity
	security.add(cmd, grpctls.Serving|grpctls.Calling)
	workerToken := cmd.Flags().String("worker-token-file", "", "`FILE` with the bearer token to show to the workers in its first line")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *workers == "" {
			return usage(errors.New("coordinator needs --workers, as in --workers 127.0.0.1:7070"))
		}
		found, err := coordinator.ParseWorkers(*workers)
		if err == nil {
			err = store.check(cmd.Flags())
		}
		config := coordinator.Config{Workers: found, Version: version, Log: newLog(std.err)}
		if err == nil {
			limitMemory(config.Log)
			err = caps.take(&config)
		}
		if err == nil {
			err = security.open(cmd.Flags(), config.Log)
		}
		if err == nil {
			config.WorkerSecurity, err = security.workers(*workerToken, *workers)
		}
		if err != nil {
			return usage(err)
		}
		return security.serve(cmd, std, *listen, *bound, config.Log, func(ctx context.Context, l net.Listener) error {
			config.Security, config.Health, config.Metrics = security.server, security.plain.probes, security.plain.endpoint()
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
	var insecure bool
	addInsecure(cmd.Flags(), &insecure)
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		open := func() (net.Listener, error) {
			return grpcserve.Listening{PlainOnly: true, Insecure: insecure, Can: canUse}.Listen(*listen, newLog(std.err))
		}
		out := io.Writer(std.out)
		if *quiet {
			out = nil
		}
		return serve(cmd, std, *bound, open, func(ctx context.Context, l net.Listener) error {
			if err := listening(std, "target", l); err != nil {
				return err
			}
			return served(target.NewDemo(out, nil).Serve(ctx, l))
		})
	}
	return cmd
}
