package worker

import (
	"context"
	"net"
	"time"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// drainBound is how long a worker that was told to end takes at most: calls in flight get up to 19 s of it.
const drainBound = 20 * time.Second

// Serve serves a worker on the listener until ctx ends; then it takes nothing new, drains, and returns within 20 s.
func Serve(ctx context.Context, l net.Listener, config Config) error {
	w := New(config)
	defer w.Close()
	w.config.Dialer.DenyListener(l.Addr())
	if health := w.config.Health; health != nil {
		w.config.Dialer.DenyListener(health.Addr())
	}
	if w.config.Metrics != nil {
		w.config.Dialer.DenyListener(w.config.Metrics.Addr())
	}
	server := grpcserve.New(w.config.Log, w.config.Security, w.config.Metrics.ServerOptions()...)
	server.ServeHealth(w.config.Health)
	w.Register(server)
	defer w.config.Metrics.Serve(server)()
	drained := make(chan struct{})
	defer context.AfterFunc(ctx, func() {
		defer close(drained)
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainBound)
		defer cancel()
		server.Unready()
		w.Drain(bounded)
		server.Shutdown(bounded)
	})()
	err := server.Serve(l)
	if ctx.Err() != nil {
		<-drained
	}
	return err
}
