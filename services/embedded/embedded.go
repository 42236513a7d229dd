// Package embedded is a worker and a coordinator in one process, over in-memory connections: the same code path as with real
// ones, with nothing to set up and no port open.
package embedded

import (
	"context"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/worker"
)

// window is the bytes that an in-memory connection holds before its writer waits.
const window = 1 << 20

// Services is the services of one process. Its owner closes it.
type Services struct {
	stop []func() // in the order of closing
}

// Config configures the services.
type Config struct {
	Version string       // sent as User-Agent, and compared with those of other workers
	Log     *slog.Logger // default: discard
	// WorkerSecurity is how workers elsewhere are known, and what they are shown.
	WorkerSecurity grpcdial.Security
	// Secrets is what the worker sends where a plan refers to it. Default: none.
	Secrets worker.Secrets
	// Store keeps the coordinator's runs; its owner closes it after the services. Default: one in memory.
	Store coordinator.Store
}

// StartWorker starts a worker and returns a connection to it.
func (s *Services) StartWorker(config Config) (*grpc.ClientConn, error) {
	dial := s.serveWorker(config)
	return s.connect(dial)
}

// Start starts a worker and a coordinator that has it, and returns a connection to the coordinator.
func (s *Services) Start(config Config) (*grpc.ClientConn, error) {
	dial := s.serveWorker(config)
	workers, err := coordinator.ParseWorkers("embedded:7070") // a name for reports; nothing listens on a port
	if err != nil {
		return nil, err
	}
	return s.StartCoordinator(config, workers, func(address string) (coordinator.Conn, error) {
		return grpcdial.New(address, dial)
	})
}

// StartCoordinator starts a coordinator with these workers and returns a connection to it. dial makes the connections to the
// workers; nil is TCP.
func (s *Services) StartCoordinator(config Config, workers coordinator.Workers, dial func(string) (coordinator.Conn, error)) (*grpc.ClientConn, error) {
	listener := bufconn.Listen(window)
	s.serve(func(ctx context.Context) {
		_ = coordinator.Serve(ctx, listener, coordinator.Config{
			Workers: workers, Dial: dial, WorkerSecurity: config.WorkerSecurity, Store: config.Store, Version: config.Version, Log: config.Log,
		})
	})
	return s.connect(grpcdial.Over(listener.DialContext))
}

// StartReader starts a coordinator without workers that reads the store, and returns a connection to it.
func (s *Services) StartReader(config Config, from coordinator.Store) (*grpc.ClientConn, error) {
	config.Store = from
	return s.StartCoordinator(config, coordinator.Workers{}, nil)
}

func (s *Services) serveWorker(config Config) grpc.DialOption {
	listener := bufconn.Listen(window)
	s.serve(func(ctx context.Context) {
		_ = worker.Serve(ctx, listener, worker.Config{
			Version: config.Version, Log: config.Log, Secrets: config.Secrets,
			Dialer: &egress.Dialer{Policy: egress.Everything()}, // it acts for whoever runs this process, and nobody else reaches it
		})
	})
	return grpcdial.Over(listener.DialContext)
}

// serve runs a service until Close. Its only error is that of the in-memory listener being closed.
func (s *Services) serve(service func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		service(ctx)
	}()
	s.onClose(func() {
		cancel()
		<-done
	})
}

func (s *Services) connect(dial grpc.DialOption) (*grpc.ClientConn, error) {
	conn, err := grpcdial.New("embedded", dial)
	if err != nil {
		return nil, err
	}
	s.onClose(func() { _ = conn.Close() })
	return conn, nil
}

// onClose adds to what Close does, before what was added earlier: a coordinator ends before its worker.
func (s *Services) onClose(f func()) { s.stop = append([]func(){f}, s.stop...) }

// Close ends the services: connections first, then the coordinator, then the worker.
func (s *Services) Close() {
	for _, stop := range s.stop {
		stop()
	}
}
