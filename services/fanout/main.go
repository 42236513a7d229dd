// Command fanout fires HTTP requests from many goroutines on many machines and accounts for every one of them.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/fanout-load/fanout/services/internal/report"
)

func main() {
	// net/http reports bytes that a target sends unasked through package log: a hostile target could fill the disk with it.
	log.SetOutput(io.Discard)
	os.Exit(int(execute(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})))
}

// stdio is the standard streams.
type stdio struct {
	in       *os.File
	out, err *os.File
}

// execute runs the command and returns its exit code.
func execute(ctx context.Context, args []string, std stdio) exitCode {
	root := newRoot(std)
	root.SetArgs(args)
	err := checkText(args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var exit *exitError
	switch {
	case err == nil:
		return exitPassed
	case errors.As(err, &exit):
		if exit.err != nil {
			root.PrintErrln("fanout: " + report.Clean(exit.err.Error())) // it may have words of a service that is not ours
		}
		return exit.code
	default: // cobra's own: an unknown flag or command, a missing argument
		root.PrintErrln("fanout: " + report.Clean(err.Error()))
		root.PrintErrln("Run 'fanout --help' or 'fanout COMMAND --help' for the flags.")
		return exitUsage
	}
}

func newRoot(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "fanout",
		Short: "Fire HTTP requests from many goroutines on many machines, and account for every one of them",
		Example: `  fanout run -n 10000 -c 100 http://127.0.0.1:8080/     a load, with a report
  fanout call http://a.test/ http://b.test/              one answer each, as they arrive
  fanout runs list                                       what a coordinator has carried out
  fanout demo                                            what it is for, in 20 seconds`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return plainFlagError(err) })
	root.AddCommand(layered(std, newWorker(std), newCoordinator(std), newTarget(std))...)
	root.AddCommand(newRun(std), newCall(std), newRuns(std), newStopAll(std), newHealth(std), newCerts(std), newTokens(std), newDemo(std), newVersion())
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	strict(root)
	return root
}

// untilSignal ends with the first Ctrl-C or SIGTERM.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
