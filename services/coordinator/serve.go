package coordinator

import (
	"context"
	"net"
	"time"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// watchersBound is how long watchers have to take the last snapshot when the coordinator ends.
const watchersBound = 2 * time.Second

// Serve serves a coordinator on the listener until ctx ends; then it takes nothing new, cancels its runs, tells their
// watchers, and returns within 7 s.
func Serve(ctx context.Context, l net.Listener, config Config) error {
	c := New(config)
	server := grpcserve.New(c.config.Log)
	c.Register(server)
	closed := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(closed)
		server.Unready()
		c.Close()
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), watchersBound)
		defer cancel()
		server.Shutdown(bounded)
	})()
	err := server.Serve(l)
	if ctx.Err() != nil {
		<-closed
	} else {
		c.Close()
	}
	return err
}
