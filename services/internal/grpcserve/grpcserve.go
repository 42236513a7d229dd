// Package grpcserve makes the gRPC servers of both services, with the same manners: logging without payloads, recovery that
// tells a caller nothing, reflection, health, keepalive, and an end that is bounded.
package grpcserve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

const (
	// A peer that answers no ping for pingTimeout is gone: a stopped process or a cut link is found after 15 s at most.
	pingInterval = 10 * time.Second
	pingTimeout  = 5 * time.Second
	// minPingInterval is how often clients may ping: less than the 10 s of ours, or quiet streams would end with
	// ENHANCE_YOUR_CALM.
	minPingInterval = 5 * time.Second
)

// Server is a gRPC server. Its services are registered before Serve.
type Server struct {
	*grpc.Server
	health *health.Server
	probes net.Listener // of ServeHealth; nil: none
}

// Security says who may call a server. The zero value is plaintext, and everybody may do everything: for loopback and in-memory
// connections.
type Security struct {
	Credentials credentials.TransportCredentials // nil: plaintext
	Access      *access.Control                  // nil: everybody may do everything
}

// New makes a server that logs to log. The interceptors of outer come before its own.
func New(log *slog.Logger, security Security, outer ...grpc.ServerOption) *Server {
	// What comes every second says nothing in a log, and would hide what does.
	loud := selector.MatchFunc(func(_ context.Context, call interceptors.CallMeta) bool {
		return call.Method != "RenewLease" && call.Service != healthv1.Health_ServiceDesc.ServiceName && call.Service != "grpc.reflection.v1.ServerReflection" &&
			call.Service != "grpc.reflection.v1alpha.ServerReflection"
	})
	logged := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		log.Log(ctx, slog.Level(level), message, withoutErrorText(fields)...)
	})
	events := logging.WithLogOnEvents(logging.FinishCall)
	who := logging.WithFieldsFromContext(func(ctx context.Context) logging.Fields {
		if subject := access.CallerOf(ctx).Subject; subject != "" {
			return logging.Fields{"subject", subject}
		}
		return nil
	})
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		log.ErrorContext(ctx, "panic in a handler", "panic", p, "stack", string(debug.Stack()))
		return rpcerr.Internal()
	})
	s := &Server{health: health.NewServer()}
	transport := security.Credentials
	if transport == nil {
		transport = insecure.NewCredentials()
	}
	gate := newGate(security.Access, log)
	s.Server = grpc.NewServer(append(append(limits(), outer...),
		grpc.Creds(transport),
		grpc.InTapHandle(gate.admit),
		grpc.ChainUnaryInterceptor(
			selector.UnaryServerInterceptor(logging.UnaryServerInterceptor(logged, events, who), loud),
			recovery.UnaryServerInterceptor(recovered)),
		grpc.ChainStreamInterceptor(
			selector.StreamServerInterceptor(logging.StreamServerInterceptor(logged, events, who), loud),
			recovery.StreamServerInterceptor(recovered)),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPingInterval, PermitWithoutStream: true}),
	)...)
	healthv1.RegisterHealthServer(s.Server, s.health)
	reflection.Register(s.Server)
	return s
}

// withoutErrorText drops the error's text from a log line: it may quote a URL or a header of the request. The code stays.
func withoutErrorText(fields []any) []any {
	kept := make([]any, 0, len(fields))
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] != "grpc.error" {
			kept = append(kept, fields[i], fields[i+1])
		}
	}
	return kept
}

// Serve serves on the listener until Shutdown, which may have come first; from now on every service is healthy. That it drains is told on
// the health listener until the end.
func (s *Server) Serve(l net.Listener) error {
	for name := range s.GetServiceInfo() {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	defer s.serveProbes()()
	if err := s.Server.Serve(limited(l)); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

// Unready makes every service NOT_SERVING, so that nobody sends new calls here. It comes before draining.
func (s *Server) Unready() { s.health.Shutdown() }

// Shutdown takes no new calls and waits for those that run until ctx ends; then it cuts them.
func (s *Server) Shutdown(ctx context.Context) {
	s.Unready()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.Stop()
		<-done
	}
}
