// Command bench measures fanout beside its peers and prints the results as Markdown, with the machine, the versions, and the
// commands that were run:
//
//	go run ./services/bench [-rounds 12] [-only cpu,ingest,…] [-all] [-seconds N] [-peers]
//
// Every program that it measures is a process of its own, on a loopback port that the system chooses. Everything is bounded in
// time, and no process outlives the command. README.md has the method and the results.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // a part could not be measured
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	if len(args) > 0 {
		if serve, ok := servers[args[0]]; ok {
			return serveUntilClosed(ctx, serve, args[1:], stdin, stdout, stderr)
		}
		if args[0] == takeShardName {
			return takeShard(ctx, args[1:], stdout, stderr)
		}
	}
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	cancelWithGoRun(ctx, cancel)
	return measure(ctx, o, stdout, stderr)
}

// options are what the command line asks for.
type options struct {
	rounds   int
	parts    []part
	seconds  int   // of each run of a generator; 0: as the part says
	requests int64 // of the part long
	workers  []int // of the part scale
	rate     int   // the higher one of the part scale
	peers    bool  // install those that Go can install
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "measure only these `parts`, separated by commas: "+strings.Join(partNames(), ", "))
	all := flags.Bool("all", false, "measure also the parts that take minutes")
	flags.IntVar(&o.rounds, "rounds", 12, "rounds; the results are medians")
	flags.IntVar(&o.seconds, "seconds", 0, "length of each run of a generator (default: what the part says)")
	flags.Int64Var(&o.requests, "requests", 10_000_000, "requests of the part long")
	flags.IntVar(&o.rate, "rate", 20_000, "the higher rate of the part scale")
	workers := flags.String("workers", "1,10,100", "`numbers` of workers of the part scale")
	flags.BoolVar(&o.peers, "peers", false, "go install the peers that are written in Go, and measure beside them")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("%q is no flag", flags.Arg(0))
	case o.rounds < 1 || o.rounds > 1000:
		return nil, fmt.Errorf("-rounds %d is not in 1 to 1000", o.rounds)
	case o.seconds < 0 || o.seconds > 600:
		return nil, fmt.Errorf("-seconds %d is not in 0 to 600", o.seconds)
	case o.rate <= scaleUsual || o.rate > 1_000_000:
		return nil, fmt.Errorf("-rate %d is not in %d to 1000000", o.rate, scaleUsual+1)
	case o.requests < 1:
		return nil, fmt.Errorf("-requests %d is not at least 1", o.requests)
	}
	var err error
	if o.workers, err = parseWorkers(*workers); err != nil {
		return nil, err
	}
	o.parts, err = chooseParts(*only, *all)
	return o, err
}

// parseWorkers reads numbers of workers with commas between.
func parseWorkers(text string) (all []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > mostWorkers {
			return nil, fmt.Errorf("-workers: %q is not in 1 to %d", word, mostWorkers)
		}
		all = append(all, n)
	}
	return all, nil
}

// mostWorkers is how many workers there may be in one process: each has a port, and connections.
const mostWorkers = 5000

// chooseParts is the parts by name in the order in which they stand, or those that are measured unasked.
func chooseParts(only string, all bool) ([]part, error) {
	var chosen []part
	if only == "" {
		for _, p := range parts {
			if all || !p.onDemand {
				chosen = append(chosen, p)
			}
		}
		return chosen, nil
	}
	names := strings.Split(only, ",")
	for _, name := range names {
		if !slices.Contains(partNames(), name) {
			return nil, fmt.Errorf("-only %q is no part; the parts are %s", name, strings.Join(partNames(), ", "))
		}
	}
	for _, p := range parts {
		if slices.Contains(names, p.name) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// measure carries out the parts, one after the other, and prints each as soon as it is there.
func measure(ctx context.Context, o *options, stdout, stderr io.Writer) int {
	b, err := newBench(ctx, o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	defer b.close()
	if _, err := io.WriteString(stdout, b.header(ctx)); err != nil {
		return exitFailed
	}
	code := exitOK
	for _, p := range o.parts {
		began := time.Now()
		b.progress("%s: %s", p.name, p.title)
		text, err := b.carryOut(ctx, p)
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "bench: interrupted")
			return exitInterrupted
		}
		if err != nil {
			code = exitFailed
			b.progress("%s failed: %v", p.name, err)
		}
		b.progress("%s took %v", p.name, time.Since(began).Round(time.Second))
		if _, err := io.WriteString(stdout, text); err != nil {
			return exitFailed
		}
	}
	return code
}

// cancelWithGoRun cancels when the go command that started this one is killed: it does not pass its signals on.
func cancelWithGoRun(ctx context.Context, cancel context.CancelFunc) {
	parent := os.Getppid()
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent)); err != nil || strings.TrimSpace(string(comm)) != "go" {
		return
	}
	go func() { // ends with ctx, which run cancels
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for os.Getppid() == parent {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
}
