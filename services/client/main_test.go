package client_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startOracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Errorf("Close = %v, want no error", err)
		}
	})
	return o
}

// startCoordinator is a client of a coordinator with one worker, all in this process.
func startCoordinator(t *testing.T) *client.Coordinator {
	t.Helper()
	services := new(embedded.Services)
	t.Cleanup(services.Close)
	conn, err := services.Start(embedded.Config{Version: "test"})
	if err != nil {
		t.Fatalf("Start() = %v, want a connection", err)
	}
	return client.NewCoordinator(conn)
}

// startWorker is a connection to a worker in this process.
func startWorker(t *testing.T) *grpc.ClientConn {
	t.Helper()
	services := new(embedded.Services)
	t.Cleanup(services.Close)
	conn, err := services.StartWorker(embedded.Config{Version: "test"})
	if err != nil {
		t.Fatalf("StartWorker() = %v, want a connection", err)
	}
	return conn
}

// serve serves a fake in this process until the test's end or stop, which cuts every call.
func serve(t *testing.T, register func(grpc.ServiceRegistrar)) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	l := bufconn.Listen(256 << 10)
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{})
	register(server)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(l) }()
	conn, err := grpcdial.New("fake", grpcdial.Over(l.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	return conn, server.Stop
}

// closedLoop is a plan of n requests (0: for 30 s) from so many senders.
func closedLoop(url string, n, concurrency int64) *plan.Plan {
	p := &plan.Plan{
		Requests: []plan.Request{{URL: url}},
		Load:     plan.Load{Requests: n, ClosedLoop: &plan.ClosedLoop{Concurrency: concurrency}},
		HTTP:     plan.HTTPOptions{SlotHeader: true},
	}
	if n == 0 {
		p.Load.Duration = 30 * time.Second
	}
	return p
}

// urls is a plan that sends each URL once.
func urls(urls ...string) *plan.Plan {
	p := &plan.Plan{Outcomes: plan.OutcomeOptions{BodyBytes: 100}}
	for _, url := range urls {
		p.Requests = append(p.Requests, plan.Request{URL: url})
	}
	return p
}

// wantCode checks an error's code.
func wantCode(t *testing.T, call string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s = %v, want %v", call, err, want)
	}
}

// scriptedWorker sends what its script says.
type scriptedWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
	script func(grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error
}

func (w scriptedWorker) FanOut(_ *fanoutv1.FanOutRequest, s grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	return w.script(s)
}

type watchStream = grpc.ServerStreamingServer[fanoutv1.WatchRunResponse]

// scriptedCoordinator shows a run as its script says, and is gone for every other call.
type scriptedCoordinator struct {
	fanoutv1.UnimplementedCoordinatorServiceServer
	script func(watchStream) error
}

func (c scriptedCoordinator) WatchRun(_ *fanoutv1.WatchRunRequest, s watchStream) error {
	return c.script(s)
}
