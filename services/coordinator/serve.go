package coordinator

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// watchersBound is how long watchers have to take the last snapshot when the coordinator ends.
const watchersBound = 2 * time.Second

// ErrFenced says that another coordinator has taken over the store.
var ErrFenced = errors.New("another coordinator has taken over the store; this one has ended, and its runs go on there")

// Serve serves a coordinator on the listener until ctx ends; then it takes nothing new, leaves its runs to their leases or cancels
// them, as Close does, tells their watchers, and returns within 7 s. It fails when the store does, and with ErrFenced.
func Serve(ctx context.Context, l net.Listener, config Config) error {
	c, err := New(ctx, config)
	if err != nil {
		_ = l.Close()
		if ctx.Err() != nil {
			return nil // it was told to end before it had read its store, of which nothing is wrong
		}
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-c.fenced:
			cancel()
		case <-ctx.Done():
		}
	}()
	server := grpcserve.New(c.config.Log, c.config.Security, c.config.Metrics.ServerOptions()...)
	server.ServeHealth(c.config.Health)
	c.Register(server)
	defer c.config.Metrics.Serve(server)()
	closed := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(closed)
		server.Unready()
		c.Close()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchersBound)
		defer cancel()
		server.Shutdown(bounded)
	})()
	err = server.Serve(l)
	if ctx.Err() != nil {
		<-closed
	} else {
		c.Close()
	}
	select {
	case <-c.fenced:
		return ErrFenced
	default:
		return err
	}
}
