package metrics_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// What is added is shown, beside the version and what Go's runtime and the system say of the process.
func TestFigures(t *testing.T) {
	t.Parallel()
	e := metrics.New(listen(t), "1.2.3")
	n := int64(7)
	e.Gauge("test_places", "Places.", func() int64 { return n })
	ends := e.Counters("test_ends_total", "Ends.", "how", []string{"well", "badly"})
	defer e.Serve(grpc.NewServer())()
	metricstest.Scrape(t, e.Addr().String()).Want(t, metricstest.Figures{
		"test_places": 7, `test_ends_total{how="well"}`: 0, `test_ends_total{how="badly"}`: 0, `fanout_build_info{version="1.2.3"}`: 1,
	})
	n = 5
	ends.Add("well", 2)
	ends.Add("well", 1)
	ends.Add("of a target's choosing", 1)
	got := metricstest.Scrape(t, e.Addr().String())
	got.Want(t, metricstest.Figures{"test_places": 5, `test_ends_total{how="well"}`: 3, `test_ends_total{how="badly"}`: 0})
	if len(got) < 20 || got["go_goroutines"] < 1 || got["go_memstats_heap_alloc_bytes"] < 1 {
		t.Errorf("%d series, %v goroutines, want those of Go's runtime", len(got), got["go_goroutines"])
	}
	for name := range got {
		if name == `test_ends_total{how="of a target's choosing"}` {
			t.Errorf("%s is shown, want the values of the list alone", name)
		}
	}
}

// Without a listener there is no endpoint, and whoever has figures need not know.
func TestNoEndpoint(t *testing.T) {
	t.Parallel()
	e := metrics.New(nil, "1.2.3")
	if e != nil {
		t.Fatalf("New(nil) = %v, want none", e)
	}
	e.Gauge("test_places", "Places.", func() int64 { return 1 })
	e.Counters("test_ends_total", "Ends.", "how", []string{"well"}).Add("well", 1)
	if options := e.ServerOptions(); options != nil {
		t.Errorf("ServerOptions() = %v, want none", options)
	}
	e.Serve(grpc.NewServer())()
}

// Calls are counted by method and code, and what is no method of the server is not: its name is its caller's.
func TestCalls(t *testing.T) {
	t.Parallel()
	e := metrics.New(listen(t), "1.2.3")
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{}, e.ServerOptions()...)
	server.RegisterService(&panicking, nil)
	calls := listen(t)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(calls) }()
	defer func() {
		server.Stop()
		<-served
	}()
	defer e.Serve(server)()
	conn, err := grpc.NewClient("passthrough:///"+calls.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := metricstest.Scrape(t, e.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for service, want := range map[string]codes.Code{"": codes.OK, "test.None": codes.NotFound} {
		if _, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service}); status.Code(err) != want {
			t.Fatalf("health of %q = %v, want %v", service, err, want)
		}
	}
	for method, want := range map[string]codes.Code{
		"/test.Panicking/Panic": codes.Internal, "/test.Panicking/" + strings.Repeat("x", 100): codes.Unimplemented, "/of.My/Choosing": codes.Unimplemented,
	} {
		if err := conn.Invoke(ctx, method, &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{}); status.Code(err) != want {
			t.Errorf("%.20s = %v, want %v", method, err, want)
		}
	}
	after := metricstest.Scrape(t, e.Addr().String())
	after.WantSameSeries(t, before)
	check := `grpc_server_handled_total{grpc_code="%",grpc_method="Check",grpc_service="grpc.health.v1.Health",grpc_type="unary"}`
	after.Want(t, metricstest.Figures{
		coded(check, "OK"): 1, coded(check, "NotFound"): 1, coded(check, "Internal"): 0,
		`grpc_server_handled_total{grpc_code="Internal",grpc_method="Panic",grpc_service="test.Panicking",grpc_type="unary"}`: 1,
	})
}
