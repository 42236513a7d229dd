package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/worker"
)

// serveWorkers serves so many workers in one process, each on a port of its own, as many processes would. With -detour each dials
// that address, whatever a plan's URLs say: so two workers of one run can have different targets.
func serveWorkers(ctx context.Context, args []string, l *announcingListener) (func(io.Writer) error, error) {
	flags := flag.NewFlagSet("serve-workers", flag.ContinueOnError)
	n := flags.Int("n", 1, "workers")
	detour := flags.String("detour", "", "where every connection goes")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	if *n < 1 {
		return nil, fmt.Errorf("-n %d is not at least 1", *n)
	}
	config := worker.Config{}
	if *detour != "" {
		config.Dialer = &egress.Dialer{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *detour)
		}}
	}
	listeners, err := moreListeners(l, *n-1)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	errs := make([]error, *n)
	for i, own := range listeners {
		workers.Go(func() {
			errs[i] = worker.Serve(ctx, own, config)
			cancel()
		})
	}
	workers.Wait()
	return nil, errors.Join(errs...)
}

// moreListeners opens n listeners beside l, which comes first, and has their addresses announced with its own.
func moreListeners(l *announcingListener, n int) ([]net.Listener, error) {
	all := []net.Listener{l}
	for range n {
		own, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, opened := range all {
				_ = opened.Close() // nobody knows of it
			}
			return nil, err
		}
		all, l.more = append(all, own), append(l.more, own.Addr().String())
	}
	return all, nil
}
