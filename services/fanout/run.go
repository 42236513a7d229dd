package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/preflight"
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
	security    clientSecurity
	towards     grpcdial.Security // of run: the coordinator, or the workers
	name        string
	labels      []string
	onLoss      string
	await       awaitFlags
	store       string
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
	f.security.add(cmd.Flags())
	cmd.Flags().StringVar(&f.name, "name", "", "name of the run")
	cmd.Flags().StringArrayVar(&f.labels, "label", nil, "label of the run as `KEY=VALUE`; may be repeated")
	cmd.Flags().StringVar(&f.onLoss, "on-worker-loss", "reassign", "when a worker is lost: reassign its slots to the others, continue without them, or fail")
	f.await.add(cmd.Flags())
	cmd.Flags().StringVar(&f.store, "store", memory, "keep the run in the file at `PATH`, or in memory; a coordinator has its own")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "exit with 3 when the generator limited the run, since its figures describe itself then")
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.run(cmd, std, args[0]) }
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, std stdio, url string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	about, err := f.about(cmd, url)
	if err == nil {
		f.towards, err = f.security.openFor(cmd.Flags(), "--coordinator or --workers", f.coordinator+f.workers)
	}
	if err != nil {
		return usage(err)
	}
	if f.coordinator == "" && f.workers == "" {
		warn(std, about.Plan)
	}
	store, err := openStore(cmd.Context(), f.store, 0)
	if err != nil {
		return failure(err)
	}
	return closing(store, f.runWith(cmd.Context(), std, about, store))
}

// runWith carries out the run; a coordinator in this process keeps it in the store.
func (f *runFlags) runWith(ctx context.Context, std stdio, about run.NewRun, store coordinator.Store) error {
	var services embedded.Services
	defer services.Close()
	conn, err := f.connect(&services, store)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := client.NewCoordinator(conn)
	if err := f.await.await(ctx, c, f.where(), std); err != nil {
		return err
	}
	final, err := carryOut(ctx, c, about, f.coordinator, std)
	var notCreated *createError
	switch {
	case rpcerr.IsInvalid(err):
		return usage(errors.New(rpcerr.Text(err)))
	case f.coordinator != "" && errors.As(err, &notCreated) && (rpcerr.IsHandshake(notCreated.error) || rpcerr.IsRefusal(notCreated.error) || rpcerr.IsAnswer(notCreated.error)):
		return failure(fmt.Errorf("coordinator %s: %s", f.coordinator, rpcerr.Text(notCreated.error)))
	case err != nil && f.coordinator != "" && errors.As(err, &notCreated):
		return failure(fmt.Errorf("coordinator %s: %s; start it with fanout coordinator, or name another with --coordinator", f.coordinator, rpcerr.Text(notCreated.error)))
	case err != nil && f.coordinator != "":
		return failure(fmt.Errorf("coordinator %s: %s; what became of the run is not known here; fanout runs show tells it when the coordinator is back", f.coordinator, rpcerr.Text(err)))
	case err != nil:
		return failure(errors.New(rpcerr.Text(err)))
	}
	if err := printRun(std, f.output, final); err != nil {
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

// where names who has the workers.
func (f *runFlags) where() string {
	if f.coordinator != "" {
		return "coordinator " + f.coordinator
	}
	return "--workers " + f.workers
}

func (f *runFlags) about(cmd *cobra.Command, url string) (run.NewRun, error) {
	// The id makes a CreateRun that is repeated, because its answer was lost, the same run.
	about := run.NewRun{RequestID: rand.Text(), Name: f.name, Labels: map[string]string{}}
	given := cmd.Flags().Changed
	switch {
	case given("workers") && given("coordinator"):
		return about, errors.New("--workers and --coordinator exclude each other; the coordinator knows its workers")
	case given("store") && given("coordinator"):
		return about, errors.New("--store and --coordinator exclude each other; the coordinator has a store of its own")
	case given("workers"):
		if _, err := coordinator.ParseWorkers(f.workers); err != nil {
			return about, err
		}
	case given("coordinator"):
		if err := checkAddress("--coordinator", f.coordinator); err != nil {
			return about, err
		}
	}
	if err := f.await.check(cmd.Flags(), f.coordinator+f.workers != ""); err != nil {
		return about, err
	}
	if err := checkStore(f.store); err != nil {
		return about, err
	}
	for _, label := range f.labels {
		key, value, ok := strings.Cut(label, "=")
		if !ok {
			return about, fmt.Errorf("--label %q is not KEY=VALUE", label)
		}
		about.Labels[key] = value
	}
	var err error
	if about.OnWorkerLoss, err = choose(cmd.Flags(), "on-worker-loss", f.onLoss, run.OnWorkerLosses()); err != nil {
		return about, err
	}
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
func (f *runFlags) connect(services *embedded.Services, store coordinator.Store) (*grpcdial.Conn, error) {
	config := embedded.Config{Version: version, Store: store, WorkerSecurity: f.towards, Secrets: ownSecrets()}
	var (
		conn *grpcdial.Conn
		err  error
	)
	switch {
	case f.coordinator != "":
		conn, err = f.towards.New(f.coordinator, "")
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
