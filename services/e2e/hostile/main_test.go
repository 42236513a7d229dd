// Package hostile holds both services against callers that mean them harm: whatever bytes a request has it is refused with a status
// that says why, or the work that it makes is bounded; nobody else notices. It has tests only.
package hostile

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker"
)

// window is HTTP/2's least.
const window = 64 << 10

// patience bounds every wait for something that comes soon unless it is broken.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// caps are small, so that what a worker accepts is over soon.
func caps() plan.Caps {
	c := plan.DefaultCaps()
	c.Senders, c.Slots, c.Duration = 100, 100, 100*time.Millisecond
	return c
}

// refusing is a dialer with which nothing leaves the process: each name is resolved to an address of the documentation, and
// each connection is refused.
func refusing() *egress.Dialer {
	return &egress.Dialer{
		Policy: egress.Everything(),
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, nil
		},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		},
	}
}

// serve serves in this process until the test's end, and returns a connection.
func serve(tb testing.TB, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	tb.Helper()
	return serveWith(tb, slog.DiscardHandler, register)
}

// serveWith is serve with a log.
func serveWith(tb testing.TB, log slog.Handler, register func(grpc.ServiceRegistrar)) *grpc.ClientConn {
	tb.Helper()
	l := bufconn.Listen(1 << 20)
	server := grpcserve.New(slog.New(log), grpcserve.Security{})
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	// Windows that do not grow: how much may be unread before a message has to wait is the same whatever the machine does beside.
	conn, err := grpcdial.New("hostile", grpcdial.Over(l.DialContext), grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("Serve = %v, want no error", err)
		}
	})
	return conn
}

// startWorker starts a worker.
func startWorker(tb testing.TB, config worker.Config) fanoutv1.WorkerServiceClient {
	tb.Helper()
	w := worker.New(config)
	tb.Cleanup(w.Close)
	return fanoutv1.NewWorkerServiceClient(serve(tb, w.Register))
}

// startCoordinator starts a coordinator of one worker.
func startCoordinator(tb testing.TB, config worker.Config) fanoutv1.CoordinatorServiceClient {
	tb.Helper()
	w := worker.New(config)
	tb.Cleanup(w.Close)
	to := serve(tb, w.Register)
	workers, err := coordinator.ParseWorkers("worker:7070")
	if err != nil {
		tb.Fatal(err)
	}
	c, err := coordinator.New(context.Background(), coordinator.Config{
		Workers: workers, Caps: config.Caps,
		Dial: func(string) (coordinator.Conn, error) { return shared{to}, nil },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return fanoutv1.NewCoordinatorServiceClient(serve(tb, c.Register))
}

// shared is a connection that its user does not close.
type shared struct{ *grpc.ClientConn }

func (shared) Close() error { return nil }

// decode reads the bytes as the message, as gRPC does before it calls a handler. What cannot be read is refused by gRPC itself.
func decode(t *testing.T, b []byte, m proto.Message) {
	t.Helper()
	if proto.Unmarshal(b, m) != nil {
		t.Skip()
	}
}

// encode is the bytes of a message, for a seed.
func encode(f *testing.F, m proto.Message) []byte {
	f.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// refused checks that a call's error is a refusal that says why, and not a failure of the service.
func refused(t *testing.T, err error) {
	t.Helper()
	s := status.Convert(err)
	switch s.Code() {
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.ResourceExhausted, codes.FailedPrecondition,
		codes.Aborted, codes.OutOfRange:
	default:
		t.Errorf("the call ended with %v: %.300q, want success or a refusal", s.Code(), s.Message())
	}
	if s.Code() != codes.OK && len(s.Details()) == 0 {
		t.Errorf("%v: %.300q has no ErrorInfo", s.Code(), s.Message())
	}
	if len(s.Message()) > 8<<10 {
		t.Errorf("%v has a message of %d bytes: %.300q …", s.Code(), len(s.Message()), s.Message())
	}
}

// within runs f with a context that has no deadline, so that the service does not know of one; when it takes longer than
// patience it is a hang, which ends the test.
func within(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hang := time.AfterFunc(patience, func() {
		t.Errorf("the call hangs:\n%s", stacks())
		cancel()
	})
	defer hang.Stop()
	f(ctx)
}

func stacks() string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
	return all.String()
}

// goroutines is how many there are when no call goes on; 0: not known yet.
type goroutines int

// count notes how many there are, the first time that it is called.
func (g *goroutines) count() {
	if *g == 0 {
		*g = goroutines(runtime.NumGoroutine())
	}
}

// settle waits until there are no more than were counted.
func (g *goroutines) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > int(*g); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left of a call, there were %d before:\n%s", runtime.NumGoroutine(), *g, stacks())
		}
	}
}
