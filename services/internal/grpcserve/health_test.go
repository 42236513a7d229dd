package grpcserve

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// The health listener tells what the server is, until its end and through its draining, and serves nothing else.
func TestServeHealth(t *testing.T) {
	t.Parallel()
	server := New(slog.New(slog.DiscardHandler), Security{})
	server.RegisterService(&panicking, nil)
	calls, probes := listenLocal(t), listenLocal(t)
	server.ServeHealth(probes)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(calls) }()
	conn, err := grpc.NewClient("passthrough:///"+probes.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	check := func(service string) (healthv1.HealthCheckResponse_ServingStatus, error) {
		response, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service}, grpc.WaitForReady(true))
		return response.GetStatus(), err
	}
	for _, service := range []string{"", "test.Panicking"} {
		if got, err := check(service); got != healthv1.HealthCheckResponse_SERVING || err != nil {
			t.Errorf("health of %q = %v, %v, want SERVING", service, got, err)
		}
	}
	if _, err := check("test.None"); status.Code(err) != codes.NotFound {
		t.Errorf("health of a service that is none = %v, want NOT_FOUND", err)
	}
	for _, method := range []string{"/test.Panicking/Panic", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"} {
		err := conn.Invoke(ctx, method, &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s on the health listener = %v, want UNIMPLEMENTED", method, err)
		}
	}
	watch, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_SERVING, healthv1.HealthCheckResponse_NOT_SERVING} {
		if got, err := watch.Recv(); got.GetStatus() != want || err != nil {
			t.Errorf("a watch brings %v, %v, want %v", got.GetStatus(), err, want)
		}
		server.Unready()
	}
	server.Shutdown(ctx)
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a watch of a server that has ended = %v, want UNAVAILABLE", err)
	}
	if again, err := net.Listen("tcp", probes.Addr().String()); err != nil {
		t.Errorf("the health listener is still open: %v", err)
	} else {
		_ = again.Close()
	}
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
