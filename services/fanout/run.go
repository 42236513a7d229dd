package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/preflight"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/worker"
)

// runFlags are the flags of run that are not of its plan.
type runFlags struct {
	request     requestFlags
	load        loadFlags
	outcomes    outcomeFlags
	workers     string
	coordinator string
	name        string
	labels      []string
	output      string
	strict      bool
}

func newRun(std stdio) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [flags] URL",
		Short: "Send a load, with a report",
		Long: `Send a load to URL and report on every request.

Without -c, -q and --stage all requests are sent at once; -c keeps so many in flight; -q sends so many per second, whatever
the target does, and each --stage so many for a time, one after the other. Exit codes: 0 passed, 1 error or never started,
2 wrong usage, 3 incomplete, 99 failed, 130 cancelled.`,
		Example: `  fanout run -n 10 http://127.0.0.1:8080/inc             ten at once
  fanout run -n 10000 -c 100 http://127.0.0.1:8080/      a closed loop
  fanout run -q 500 -z 30s http://127.0.0.1:8080/        an open loop: 500 a second for 30 s
  fanout run --stage 10s:10..500 --stage 1m:500 http://127.0.0.1:8080/    a ramp, then a minute at 500`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("run needs one URL, as in fanout run http://127.0.0.1:8080/inc; %d are given", len(args))
			}
			return nil
		},
	}
	f.request.add(cmd.Flags())
	f.load.add(cmd.Flags())
	f.outcomes.add(cmd.Flags(), "fold")
	cmd.Flags().StringVar(&f.workers, "workers", "", "use these workers: `HOST:PORT,HOST:PORT` or dns:///NAME:PORT")
	cmd.Flags().StringVar(&f.coordinator, "coordinator", "", "use the coordinator at `HOST:PORT`")
	cmd.Flags().StringVar(&f.name, "name", "", "name of the run")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "label of the run as `KEY=VALUE`; may be repeated")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit with 3 when the generator limited the run, since its figures describe itself then")
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, std, args[0]) }
	return cmd
}

func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "text", "text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return usage(fmt.Errorf("-o %q is neither text nor json", output))
	}
	return nil
}

func (f *runFlags) run(cmd *cobra.Command, std stdio, url string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	about, err := f.about(cmd, url)
	if err != nil {
		return usage(err)
	}
	if f.coordinator == "" && f.workers == "" {
		warn(std, about.Plan)
	}
	var services embedded.Services
	defer services.Close()
	conn, err := f.connect(&services)
	if err != nil {
		return err
	}
	defer conn.Close()
	final, err := carryOut(cmd.Context(), client.NewCoordinator(conn), about, std)
	switch {
	case rpcerr.IsInvalid(err):
		return usage(errors.New(rpcerr.Text(err)))
	case err != nil && f.coordinator != "":
		return failure(fmt.Errorf("coordinator %s: %s; what became of a run that had started is not known here", f.coordinator, rpcerr.Text(err)))
	case err != nil:
		return failure(errors.New(rpcerr.Text(err)))
	}
	if err := f.print(std, final); err != nil {
		return failure(err)
	}
	code := verdictCode(final)
	if (code == exitPassed || code == exitFailed) && f.strict && final.LimitedBy == run.ByGenerator {
		code = exitIncomplete
	}
	if code != exitPassed {
		return &exitError{code: code}
	}
	return nil
}

func (f *runFlags) about(cmd *cobra.Command, url string) (run.NewRun, error) {
	about := run.NewRun{Name: f.name, Labels: map[string]string{}}
	given := cmd.Flags().Changed
	switch {
	case given("workers") && given("coordinator"):
		return about, errors.New("--workers and --coordinator exclude each other; the coordinator knows its workers")
	case given("workers"):
		if _, err := coordinator.ParseWorkers(f.workers); err != nil {
			return about, err
		}
	case given("coordinator"):
		if err := checkAddress("--coordinator", f.coordinator); err != nil {
			return about, err
		}
	}
	for _, label := range f.labels {
		key, value, ok := strings.Cut(label, "=")
		if !ok {
			return about, fmt.Errorf("--label %q is not KEY=VALUE", label)
		}
		about.Labels[key] = value
	}
	var err error
	if about.Plan, err = f.request.plan(cmd.Flags(), []string{url}); err != nil {
		return about, err
	}
	if about.Plan.Load, err = f.load.load(cmd.Flags()); err != nil {
		return about, err
	}
	return about, f.outcomes.options(cmd.Flags(), &about.Plan.Outcomes)
}

// warn says what this machine, which is the one that sends, may lack for the plan. Workers elsewhere say it in their logs.
func warn(std stdio, p *plan.Plan) {
	atOnce := int64(0)
	switch {
	case p.Load.ClosedLoop != nil:
		atOnce = p.Load.ClosedLoop.Concurrency
	case p.Load.OpenLoop != nil:
		atOnce = p.Load.OpenLoop.MaxConcurrency
	}
	for _, warning := range preflight.Warnings(p, atOnce, 1, worker.Machine(worker.DefaultCaps())) {
		fmt.Fprintln(std.err, "fanout: "+warning)
	}
}

// connect is a connection to the coordinator that the flags name, or to one in this process.
func (f *runFlags) connect(services *embedded.Services) (*grpcdial.Conn, error) {
	config := embedded.Config{Version: version}
	var (
		conn *grpcdial.Conn
		err  error
	)
	switch {
	case f.coordinator != "":
		conn, err = grpcdial.New(f.coordinator)
	case f.workers != "":
		var workers coordinator.Workers
		if workers, err = coordinator.ParseWorkers(f.workers); err != nil {
			return nil, usage(err)
		}
		conn, err = services.StartCoordinator(config, workers, nil)
	default:
		conn, err = services.Start(config)
	}
	if err != nil {
		return nil, failure(err)
	}
	return conn, nil
}

// carryOut creates the run and watches it to its end. The first Ctrl-C cancels the run, which then still ends with its
// report; the second ends the process at once, because nothing catches it any more.
func carryOut(ctx context.Context, c *client.Coordinator, about run.NewRun, std stdio) (*run.Run, error) {
	created, err := c.Create(ctx, about)
	if err != nil {
		return nil, err
	}
	interrupted, release := untilSignal(ctx)
	defer release()
	stopped := context.AfterFunc(interrupted, func() {
		release()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Cancel(ctx, created.ID) // the watch tells whether the coordinator is still there
	})
	defer stopped()
	progress := newProgress(std)
	defer progress.clear()
	return c.Watch(ctx, created.ID, progress.show)
}

func (f *runFlags) print(std stdio, final *run.Run) error {
	if f.output == "json" {
		return report.JSON(std.out, final)
	}
	width, _, err := term.GetSize(int(std.out.Fd()))
	terminal := err == nil
	if !terminal {
		width = 0
	}
	return report.Text(std.out, final, report.TextOptions{Width: min(width, 120), Color: terminal})
}
