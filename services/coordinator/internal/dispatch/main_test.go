package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// address is where the worker of a test is.
const address = "worker-0:7070"

// serve serves a worker in this process until the test's end, and is the way to it.
func serve(t *testing.T, worker fanoutv1.WorkerServiceServer) Dial {
	t.Helper()
	l := bufconn.Listen(256 << 10)
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{})
	fanoutv1.RegisterWorkerServiceServer(server, worker)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	return over(l.DialContext)
}

// over is a way to a worker that is in this process, or nowhere.
func over(dial func(context.Context) (net.Conn, error)) Dial {
	return func(address string) (Conn, error) { return grpcdial.New(address, grpcdial.Over(dial)) }
}

// reach reaches the worker, until the test's end.
func reach(t *testing.T, worker fanoutv1.WorkerServiceServer) *Worker {
	t.Helper()
	w, err := Reach(t.Context(), serve(t, worker), address, "v1.2.3")
	if err != nil {
		t.Fatalf("Reach() = %v, want a worker", err)
	}
	t.Cleanup(w.Close)
	return w
}

// polite says who it is, and has no other manners.
type polite struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (polite) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "fake", Protocol: wire.Protocol, ClockNanos: 1}, nil
}

// otherWorker is of a version whose protocol is another.
type otherWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (otherWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "other", Version: "v9.8.7", Protocol: 7, ClockNanos: 1}, nil
}

// muteWorker never says who it is.
type muteWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
}

func (muteWorker) GetWorker(ctx context.Context, _ *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// way is how long a message takes to a worker and back.
type way struct{ there, back time.Duration }

// distantWorker answers after a while there, and a while back.
type distantWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
	ways  []way         // of one call after the other; the last one is that of all others
	calls *atomic.Int64 // so far
	born  time.Time     // of its clock
}

func (w distantWorker) answer() int64 {
	way := w.ways[min(w.calls.Add(1), int64(len(w.ways)))-1]
	time.Sleep(way.there)
	defer time.Sleep(way.back)
	return int64(time.Since(w.born))
}

func (w distantWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "distant", Protocol: wire.Protocol, ClockNanos: w.answer()}, nil
}

func (w distantWorker) RenewLease(context.Context, *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	return &fanoutv1.RenewLeaseResponse{ClockNanos: w.answer()}, nil
}

type stream = grpc.ServerStreamingServer[fanoutv1.FanOutResponse]

// scriptedWorker sends what its script says, and ends with what that returns.
type scriptedWorker struct {
	polite
	script func(*fanoutv1.FanOutRequest, stream) error
}

func (w scriptedWorker) FanOut(request *fanoutv1.FanOutRequest, s stream) error {
	return w.script(request, s)
}
