package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// serve opens the listener, and runs the service until a signal, or with --until-stdin-closes until standard input closes. The
// service calls listening when it has all that it needs.
func serve(cmd *cobra.Command, std stdio, bound bool, open func() (net.Listener, error), service func(context.Context, net.Listener) error) error {
	ctx, cancel := untilSignal(cmd.Context())
	defer cancel()
	if bound {
		go func() { // ends with the process: a read of standard input cannot be interrupted
			_, _ = io.Copy(io.Discard, std.in)
			cancel()
		}()
	}
	l, err := open()
	if err != nil {
		return usageOrFailure(err)
	}
	defer l.Close()
	return service(ctx, l)
}

// listening says where a service is. Whoever starts services waits for it.
func listening(std stdio, name string, l net.Listener) error {
	if _, err := fmt.Fprintf(std.out, "fanout %s listening on %s\n", name, l.Addr()); err != nil {
		return failure(err)
	}
	return nil
}

// served is how a service ended.
func served(err error) error {
	if err != nil {
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
