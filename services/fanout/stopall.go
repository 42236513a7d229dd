package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// stopAllFlags are the flags that say what is stopped.
type stopAllFlags struct {
	coordinator, worker string
	security            clientSecurity
	towards             grpcdial.Security // of openFor
}

func newStopAll(std stdio) *cobra.Command {
	var f stopAllFlags
	cmd := &cobra.Command{
		Use:   "stop-all",
		Short: "End everything that a coordinator or a worker does, whoever has begun it",
		Long: `End every run of a coordinator, or every call and every part of a run on a worker, whoever has begun it, and print how many. Nothing
new is sent then, what is in flight gets 1 s, and every slot is accounted for. For admins, where the service asks who calls.`,
		Example: `  fanout stop-all --coordinator 127.0.0.1:7071
  fanout stop-all --worker 127.0.0.1:7070`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.coordinator, "coordinator", "", "end all runs of the coordinator at `HOST:PORT`")
	cmd.Flags().StringVar(&f.worker, "worker", "", "end all calls on the worker at `HOST:PORT`")
	f.security.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		err := f.check()
		if err == nil {
			f.towards, err = f.security.openFor(cmd.Flags(), "--coordinator or --worker", f.coordinator+f.worker)
		}
		if err != nil {
			return usage(err)
		}
		line, err := f.stop(cmd.Context())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(std.out, line)
		return written(err)
	}
	return cmd
}

func (f *stopAllFlags) check() error {
	switch {
	case f.coordinator == "" && f.worker == "":
		return errors.New("stop-all needs --coordinator or --worker, as in --coordinator 127.0.0.1:7071")
	case f.coordinator != "" && f.worker != "":
		return errors.New("--coordinator and --worker exclude each other; stop one after the other, the coordinator first")
	case f.coordinator != "":
		return checkAddress("--coordinator", f.coordinator)
	default:
		return checkAddress("--worker", f.worker)
	}
}

// dial makes the connection to what is stopped.
func (f *stopAllFlags) dial() (*grpcdial.Conn, error) {
	return f.towards.New(f.coordinator+f.worker, "")
}

// stop stops it, and is a line on that.
func (f *stopAllFlags) stop(ctx context.Context) (string, error) {
	conn, err := f.dial()
	if err != nil {
		return "", failure(err)
	}
	defer conn.Close()
	who, what := "coordinator "+f.coordinator, "run"
	stop := client.NewCoordinator(conn).StopAll
	if f.worker != "" {
		who, what = "worker "+f.worker, "call"
		stop = func(ctx context.Context) (int64, error) { return client.StopWorker(ctx, conn) }
	}
	n, err := stop(ctx)
	switch {
	case rpcerr.IsEnd(err):
		return "", failure(fmt.Errorf("%s does not answer; what goes on there is not known", who))
	case err != nil:
		return "", failure(fmt.Errorf("%s: %s", who, rpcerr.Text(err)))
	}
	return fmt.Sprintf("%s: %s stopped", who, report.Count(n, what)), nil
}
