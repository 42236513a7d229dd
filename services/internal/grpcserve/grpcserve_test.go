package grpcserve

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
)

// panicking is a service whose one method panics.
var panicking = grpc.ServiceDesc{
	ServiceName: "test.Panicking",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Panic",
		Handler: func(_ any, ctx context.Context, _ func(any) error, chain grpc.UnaryServerInterceptor) (any, error) {
			return chain(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/test.Panicking/Panic"}, func(context.Context, any) (any, error) {
				panic("secret of the process")
			})
		},
	}},
}

func TestAPanicTellsTheCallerNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	server := New(slog.New(slog.NewTextHandler(&log, nil)), Security{})
	server.RegisterService(&panicking, nil)
	l := bufconn.Listen(1 << 16)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Invoke(t.Context(), "/test.Panicking/Panic", &healthv1.HealthCheckRequest{}, &healthv1.HealthCheckResponse{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
		t.Errorf("a panicking handler = %v, want INTERNAL without its text", err)
	}
	for _, service := range []string{"", "test.Panicking"} {
		got, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q = %v, %v, want SERVING", service, got, err)
		}
	}
	server.Unready()
	got, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	if err != nil || got.GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health when draining = %v, %v, want NOT_SERVING", got, err)
	}
	_ = conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	server.Shutdown(ctx)
	if err := <-done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if !strings.Contains(log.String(), "secret of the process") {
		t.Error("the log does not have the panic")
	}
}

// A service that is told to end before it serves has nothing wrong with it.
func TestShutdownBeforeServe(t *testing.T) {
	t.Parallel()
	server := New(slog.New(slog.DiscardHandler), Security{})
	server.Shutdown(t.Context())
	l := listenLocal(t)
	if err := server.Serve(l); err != nil {
		t.Errorf("Serve after Shutdown = %v, want nil", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want the listener closed", err)
	}
}
