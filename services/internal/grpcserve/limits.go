package grpcserve

import (
	"net"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
)

// What a caller may take of a server before anyone knows who it is.
const (
	// handshakeTimeout is how long a connection has to become one of HTTP/2, TLS included: a few trips around the world.
	handshakeTimeout = 10 * time.Second
	// maxConnections is how many are open at once; what comes then waits to be accepted. A coordinator has one to each worker, and a
	// person one or two: it is far more than callers need, and less than the open files that processes usually may have.
	maxConnections = 1024
	// maxStreams is how many calls go on at once on one connection; the next waits at its caller. A worker carries out 64 calls, and a
	// coordinator's watchers share a connection only within one program.
	maxStreams = 256
	// maxHeader is the longest head of a call, in bytes: a token and tracing take less than 8 KiB. It is counted as HTTP/2 does,
	// decompressed and with 32 bytes more for each header.
	maxHeader = 64 << 10
	// maxProbe is the longest message of a probe, in bytes: a service's name.
	maxProbe = 1 << 10
	// probesAtOnce is how many probes go on at once on one connection: a watch stays open, and nobody needs many.
	probesAtOnce = 4
)

// limits is the bounds of every server.
func limits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeader),
	}
}

// limited is the listener with at most maxConnections at once.
func limited(l net.Listener) net.Listener { return netutil.LimitListener(l, maxConnections) }
