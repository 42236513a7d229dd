package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

func newRuns(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "Look at the runs of a coordinator, or of its store",
		Example: `  fanout runs list
  fanout runs show r-3FQ2…                               the report, as fanout run printed it
  fanout runs list --store fanout.db -o json             without a coordinator`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(newRunsList(std), newRunsShow(std), newRunsWatch(std), newRunsCancel(std), newRunsDelete(std), newRunsVerify(std))
	return cmd
}

// runsFlags are the flags that say whose runs are meant.
type runsFlags struct {
	coordinator string
	store       string
	security    clientSecurity
	output      string // of a command that prints
}

func (f *runsFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.coordinator, "coordinator", "127.0.0.1:7071", "ask the coordinator at `HOST:PORT`")
	f.security.add(cmd.Flags())
}

// addStore is for commands that only read: a coordinator that runs goes on with its store meanwhile.
func (f *runsFlags) addStore(cmd *cobra.Command) {
	f.add(cmd)
	cmd.Flags().StringVar(&f.store, "store", "", "read the file at `PATH`, without a coordinator")
}

func (f *runsFlags) check(cmd *cobra.Command) error {
	if cmd.Flags().Lookup("output") != nil {
		if err := checkOutput(f.output); err != nil {
			return err
		}
	}
	given := cmd.Flags().Changed
	switch {
	case given("store") && given("coordinator"):
		return errors.New("--store and --coordinator exclude each other; give the one that has the runs")
	case given("store") && (f.store == "" || f.store == memory):
		return fmt.Errorf("--store %q is no file; give the path of a coordinator's store, or --coordinator", f.store)
	case given("store"):
		return nil
	}
	return checkAddress("--coordinator", f.coordinator)
}

// ask calls what asks the coordinator, or one that only reads the store.
func (f *runsFlags) ask(cmd *cobra.Command, question func(context.Context, *client.Coordinator) error) error {
	if err := f.check(cmd); err != nil {
		return usage(err)
	}
	if f.store != "" {
		if err := f.security.checkUnused("--coordinator"); err != nil {
			return usage(err)
		}
		return f.askStore(cmd.Context(), question)
	}
	towards, err := f.security.openFor(cmd.Flags(), "--coordinator", f.coordinator)
	if err != nil {
		return usage(err)
	}
	conn, err := towards.New(f.coordinator, "")
	if err != nil {
		return failure(err)
	}
	defer conn.Close()
	return f.explain(question(cmd.Context(), client.NewCoordinator(conn)))
}

func (f *runsFlags) askStore(ctx context.Context, question func(context.Context, *client.Coordinator) error) error {
	store, err := coordinator.OpenStoreReadOnly(ctx, f.store)
	if err != nil {
		return failure(err)
	}
	return closing(store, func() error {
		var services embedded.Services
		defer services.Close()
		conn, err := services.StartReader(embedded.Config{Version: version}, store)
		if err != nil {
			return failure(err)
		}
		return f.explain(question(ctx, client.NewCoordinator(conn)))
	}())
}

// explain is an error of a call as one sentence that says who was asked. Those of the command itself stay as they are.
func (f *runsFlags) explain(err error) error {
	var exit *exitError
	asked, flag := "the coordinator "+f.coordinator, "--coordinator "+f.coordinator
	if f.store != "" {
		asked, flag = "the store "+f.store, "--store "+f.store
	}
	var unknown *unknownRunError
	switch {
	case err == nil, errors.As(err, &exit):
		return err
	case errors.As(err, &unknown):
		return failure(fmt.Errorf("%q is no run of %s; fanout runs list %s shows those that it has", unknown.id, asked, flag))
	case rpcerr.IsUnavailable(err) && f.store == "" && !rpcerr.IsHandshake(err):
		return failure(fmt.Errorf("%s cannot be reached: %s; start it with fanout coordinator, or name another with --coordinator", asked, rpcerr.Text(err)))
	case rpcerr.IsEnd(err):
		return failure(fmt.Errorf("%s does not answer; try again, or look at its log", asked))
	default:
		return failure(fmt.Errorf("%s: %s", asked, rpcerr.Text(err)))
	}
}

// unknownRunError says that a run is not known where it was asked for.
type unknownRunError struct{ id string }

// Error names the run.
func (e *unknownRunError) Error() string { return fmt.Sprintf("no run %q", e.id) }

// ofRun is an error of a call that is about one run.
func ofRun(id string, err error) error {
	if rpcerr.IsNotFound(err) {
		return &unknownRunError{id}
	}
	return err
}

// oneRun takes the ID of a run as the only argument.
func oneRun(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("%s needs the ID of one run, which fanout runs list shows; got %q", cmd.CommandPath(), args)
	}
	return nil
}
