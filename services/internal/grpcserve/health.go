package grpcserve

import (
	"net"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// ServeHealth makes Serve answer questions for the server's health on one more listener, in plaintext and to anyone: for probes that
// have no certificate. Nothing else is served there. It comes before Serve; nil is no listener.
func (s *Server) ServeHealth(l net.Listener) { s.probes = l }

// serveProbes serves the health listener until stop, which waits for its end and closes the listener.
func (s *Server) serveProbes() (stop func()) {
	if s.probes == nil {
		return func() {}
	}
	server := grpc.NewServer(append(limits(), grpc.MaxRecvMsgSize(maxProbe), grpc.MaxConcurrentStreams(probesAtOnce),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingInterval, Timeout: pingTimeout}))...)
	healthv1.RegisterHealthServer(server, s.health)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(limited(s.probes)) // its one error is the listener's, and probes will find that nobody answers
	}()
	return func() {
		server.Stop()
		<-done
	}
}
