package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// callBody is how much of each answer is shown, in bytes.
const callBody = 64 << 10

type callFlags struct {
	request     requestFlags
	outcomes    outcomeFlags
	requests    int64
	concurrency int64
	worker      string
	security    clientSecurity
	towards     grpcdial.Security // of call
	output      string
}

func newCall(std stdio) *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call [flags] URL...",
		Short: "Send requests straight to a worker and print each answer as it arrives",
		Long: `Send one request to each URL, all at once, and print each answer as it arrives; then one line of counts. The scatter-gather
use, from the shell. With -n so many requests in all, spread over the URLs; with -c so many at once.`,
		Example: `  fanout call -n 10 http://127.0.0.1:8080/inc
  fanout call http://a.test/ http://b.test/ http://c.test/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("call needs a URL, as in fanout call http://127.0.0.1:8080/inc")
			}
			return nil
		},
	}
	f.request.add(cmd.Flags())
	f.outcomes.add(cmd.Flags(), "wait")
	cmd.Flags().Int64VarP(&f.requests, "requests", "n", 0, "number of requests (default one to each URL)")
	cmd.Flags().Int64VarP(&f.concurrency, "concurrency", "c", 0, "most requests at once (default all)")
	cmd.Flags().StringVar(&f.worker, "worker", "", "use the worker at `HOST:PORT`")
	f.security.add(cmd.Flags())
	addOutput(cmd, &f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return f.call(cmd, std, args) }
	return cmd
}

func (f *callFlags) call(cmd *cobra.Command, std stdio, urls []string) error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	p, err := f.plan(cmd, urls)
	if err == nil && cmd.Flags().Changed("worker") {
		err = checkAddress("--worker", f.worker)
	}
	if err == nil {
		f.towards, err = f.security.openFor(cmd.Flags(), "--worker", f.worker)
	}
	if err != nil {
		return usage(err)
	}
	if f.worker == "" {
		warn(std, p)
	}
	var services embedded.Services
	defer services.Close()
	conn, err := f.connect(&services)
	if err != nil {
		return failure(err)
	}
	defer conn.Close()
	return f.fanOut(cmd.Context(), std, client.NewCall(conn), p, urls)
}

// textOf shows outcomes as text: with the URL where there are several, and without those that were not sent, which the line of
// counts has. Of URLs that look alike without their secrets each has its place among the arguments beside it.
func textOf(urls []string) func(io.Writer, *outcome.Outcome) error {
	names := make([]string, len(urls))
	alike := map[string]int{}
	for i, url := range urls {
		names[i] = plan.ShownURL(url)
		alike[names[i]]++
	}
	for i, name := range names {
		if alike[name] > 1 && name != urls[i] {
			names[i] = fmt.Sprintf("%s (URL %d)", name, i+1)
		}
	}
	return func(w io.Writer, o *outcome.Outcome) error {
		if o.NotSent != outcome.Sent {
			return nil
		}
		name := ""
		if len(urls) > 1 && o.Request >= 0 && int(o.Request) < len(urls) {
			name = names[o.Request]
		}
		return report.OutcomeText(w, o, name)
	}
}

func (f *callFlags) plan(cmd *cobra.Command, urls []string) (*plan.Plan, error) {
	switch {
	case cmd.Flags().Changed("requests") && f.requests < 1:
		return nil, fmt.Errorf("-n %d is not at least 1; give a number of requests, as 100", f.requests)
	case cmd.Flags().Changed("concurrency") && f.concurrency < 1:
		return nil, fmt.Errorf("-c %d is not at least 1; give a number of senders, as 50", f.concurrency)
	case f.requests > 0 && f.requests < int64(len(urls)):
		return nil, fmt.Errorf("-n %d leaves out some of the %d URLs; use at least as many", f.requests, len(urls))
	}
	p, err := f.request.plan(cmd.Flags(), urls)
	if err != nil {
		return nil, err
	}
	p.Load.Requests = f.requests
	if f.concurrency > 0 {
		p.Load.ClosedLoop = &plan.ClosedLoop{Concurrency: f.concurrency}
	}
	if err := f.outcomes.options(cmd.Flags(), &p.Outcomes); err != nil {
		return nil, err
	}
	if p.Outcomes.Detail != plan.DetailTallyOnly {
		p.Outcomes.BodyBytes = callBody
	}
	return p, nil
}

func (f *callFlags) connect(services *embedded.Services) (*grpcdial.Conn, error) {
	if f.worker != "" {
		return f.towards.New(f.worker, "")
	}
	return services.StartWorker(embedded.Config{Version: version, Secrets: ownSecrets()})
}

// fanOut makes the call. The first Ctrl-C stops it cleanly, the second ends the process at once.
func (f *callFlags) fanOut(ctx context.Context, std stdio, c *client.Call, p *plan.Plan, urls []string) error {
	interrupted, release := untilSignal(ctx)
	defer release()
	defer context.AfterFunc(interrupted, func() {
		release()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Stop(ctx) // the stream tells whether the worker is still there
	})()
	show, sum := textOf(urls), report.CallText
	if f.output == "json" {
		show, sum = report.OutcomeJSON, report.CallJSON
	}
	begin := time.Now()
	final, err := c.FanOut(ctx, p, func(o *outcome.Outcome) error { return show(std.out, o) })
	switch {
	case rpcerr.IsInvalid(err):
		return usage(errors.New(rpcerr.Text(err)))
	case err != nil && f.worker != "":
		return failure(fmt.Errorf("worker %s: %s", f.worker, rpcerr.Text(err)))
	case err != nil:
		return failure(errors.New(rpcerr.Text(err)))
	}
	if err := sum(std.out, final, time.Since(begin)); err != nil {
		return failure(err)
	}
	switch {
	case interrupted.Err() != nil:
		return &exitError{code: exitCancelled}
	case final.Counts.Responses == 0:
		return &exitError{code: exitFailed}
	default:
		return nil
	}
}
