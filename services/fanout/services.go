package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

// serve opens the listener, says where it is, and runs the service until a signal, or with --until-stdin-closes until
// standard input closes.
func serve(cmd *cobra.Command, std stdio, name, listen string, bound bool, service func(context.Context, net.Listener) error) error {
	ctx, cancel := untilSignal(cmd.Context())
	defer cancel()
	if bound {
		go func() { // ends with the process: a read of standard input cannot be interrupted
			_, _ = io.Copy(io.Discard, std.in)
			cancel()
		}()
	}
	l, err := grpcserve.Listen(listen)
	if err != nil {
		return usageOrFailure(err)
	}
	if _, err := fmt.Fprintf(std.out, "fanout %s listening on %s\n", name, l.Addr()); err != nil {
		return failure(err)
	}
	if err := service(ctx, l); err != nil {
		return failure(fmt.Errorf("serving: %w", err))
	}
	return nil
}

func usageOrFailure(err error) error {
	var taken *grpcserve.TakenError
	if errors.As(err, &taken) {
		return failure(err)
	}
	return usage(err)
}

// boundFlag is for programs that start a service as a process of their own, as the demo does.
func boundFlag(cmd *cobra.Command) *bool {
	bound := cmd.Flags().Bool("until-stdin-closes", false, "end when standard input closes")
	_ = cmd.Flags().MarkHidden("until-stdin-closes") // fails only for a flag that is not there
	return bound
}

func newLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func newWorker(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "worker", Short: "Serve the WorkerService: send requests for others", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:7070", "`HOST:PORT` to listen on; port 0 lets the system choose")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config := worker.Config{Version: version, Log: newLog(std.err)}
		return serve(cmd, std, "worker", *listen, *bound, func(ctx context.Context, l net.Listener) error {
			return worker.Serve(ctx, l, config)
		})
	}
	return cmd
}

func newCoordinator(std stdio) *cobra.Command {
	cmd := &cobra.Command{Use: "coordinator", Short: "Serve the CoordinatorService: split runs over workers", Args: cobra.NoArgs}
	listen := cmd.Flags().String("listen", "127.0.0.1:7071", "`HOST:PORT` to listen on; port 0 lets the system choose")
	workers := cmd.Flags().String("workers", "", "workers: `HOST:PORT,HOST:PORT` or dns:///NAME:PORT")
	bound := boundFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *workers == "" {
			return usage(errors.New("coordinator needs --workers, as in --workers 127.0.0.1:7070"))
		}
		found, err := coordinator.ParseWorkers(*workers)
		if err != nil {
			return usage(err)
		}
		config := coordinator.Config{Workers: found, Log: newLog(std.err)}
		return serve(cmd, std, "coordinator", *listen, *bound, func(ctx context.Context, l net.Listener) error {
			return coordinator.Serve(ctx, l, config)
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
		return serve(cmd, std, "target", *listen, *bound, target.NewDemo(out, nil).Serve)
	}
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "fanout %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
