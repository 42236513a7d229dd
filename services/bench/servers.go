package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
)

// server is a subcommand that another process of this command starts: it serves on the listener until ctx ends, and returns
// what it has to tell at its end.
type server func(ctx context.Context, args []string, l *announcingListener) (log func(io.Writer) error, err error)

// servers are the hidden subcommands.
var servers = map[string]server{
	"serve-recorded": serveRecorded,
	"serve-slow":     serveSlow,
	"serve-bodies":   serveBodies,
	"serve-workers":  serveWorkers,
}

// serveUntilClosed runs a server on a loopback port that the system chooses, says where it listens, and ends it when standard
// input closes or a signal comes: it does not outlive who started it.
func serveUntilClosed(ctx context.Context, serve server, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process: a read of standard input cannot be interrupted
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	log, err := serve(ctx, args, &announcingListener{Listener: l, to: stdout})
	if err == nil && log != nil {
		err = log(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

// announcingListener says where it listens when its server is ready for the first connection.
type announcingListener struct {
	net.Listener
	to   io.Writer // nil: it has been said
	more []string  // addresses at which the server listens as well; set before the first Accept
}

// Accept is called from one goroutine, as servers do.
func (a *announcingListener) Accept() (net.Conn, error) {
	if a.to != nil {
		addresses := append([]string{a.Addr().String()}, a.more...)
		if _, err := fmt.Fprintf(a.to, "listening on %s\n", strings.Join(addresses, ",")); err != nil {
			return nil, err
		}
		a.to = nil
	}
	return a.Listener.Accept()
}

// parse reads a server's flags, which nobody types.
func parse(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	return flags.Parse(args)
}
