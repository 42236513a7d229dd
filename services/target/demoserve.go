package target

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"time"
)

const (
	// demoHeadBound ends connections that do not get their request's head out. Ten thousand connections that open at once
	// on a busy machine take seconds for it; half a minute is far beyond that.
	demoHeadBound = 30 * time.Second
	// demoIdleBound is longer than load generators keep connections idle, so that not this server is the one to close
	// a connection that a request is just being written to.
	demoIdleBound = 2 * time.Minute
	// demoStopBound is how long requests in flight get at the end: ten times the longest sleep that is drawn.
	demoStopBound = 2 * time.Second
)

// Serve serves on the listener, which it closes, until ctx ends; then requests in flight get 2 s, after which their
// connections are closed, and it returns nil. It returns an error only when the listener fails before that.
// What the server has to complain of (accepting fails, say) goes to the demo's writer, as lines.
func (d *Demo) Serve(ctx context.Context, l net.Listener) error {
	// Handlers must outlive ctx by the grace that they are given, but not the call.
	handlers, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler:           d,
		ReadHeaderTimeout: demoHeadBound,
		IdleTimeout:       demoIdleBound,
		ErrorLog:          log.New(lines{d}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return handlers },
	}

	stopped := make(chan struct{})
	detach := context.AfterFunc(ctx, func() {
		defer close(stopped)
		shutDown(context.WithoutCancel(ctx), server)
	})
	err := server.Serve(l)
	if detach() {
		_ = server.Close() // the listener has failed, which is the error to return
		return err
	}
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutDown ends the server in order if that can be done in time, and otherwise at once.
func shutDown(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(ctx, demoStopBound)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close()
	}
}

// lines writes a log's entries between a demo's own lines.
type lines struct{ demo *Demo }

func (l lines) Write(p []byte) (int, error) {
	l.demo.print(string(p))
	return len(p), nil
}
