package client_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
)

// lives is an address at which a coordinator is started and killed, again and again. Nothing of it needs the network, so it may
// live in fake time.
type lives struct {
	*client.Coordinator // at the address

	mu sync.Mutex
	at *bufconn.Listener // nil: nobody is there
}

func newLives(t *testing.T) *lives {
	t.Helper()
	l := new(lives)
	conn, err := grpcdial.New("coordinator", grpcdial.Over(l.dial))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	l.Coordinator = client.NewCoordinator(conn)
	return l
}

func (l *lives) dial(ctx context.Context) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		return nil, errors.New("nobody is there")
	}
	return l.at.DialContext(ctx)
}

func (l *lives) move(at *bufconn.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
}

// start starts a coordinator; kill cuts its calls and waits for its end. The test's end kills it, too.
func (l *lives) start(t *testing.T, coordinator fanoutv1.CoordinatorServiceServer) (kill func()) {
	t.Helper()
	listener := bufconn.Listen(256 << 10)
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{})
	fanoutv1.RegisterCoordinatorServiceServer(server, coordinator)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(listener) }()
	l.move(listener)
	kill = sync.OnceFunc(func() {
		l.move(nil)
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	t.Cleanup(kill)
	return kill
}
