// Package grpcdial makes the gRPC connections of our clients, with the manners that the servers of package grpcserve expect.
package grpcdial

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	pingInterval = 10 * time.Second // the least that grpc-go allows
	pingTimeout  = 5 * time.Second
	// maxMessage is the longest message taken: a tally with 64 groups of four full histograms has 12 MiB.
	maxMessage = 16 << 20
)

// Conn is a connection, for those who only pass it on.
type Conn = grpc.ClientConn

// New makes a connection to the one address host:port; nothing is dialled before the first call. The address is dialled as it
// is: a name with several addresses is no balancer here, since a run is bound to a process.
func New(address string, more ...grpc.DialOption) (*Conn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithDisableRetry(), // a FanOut that is sent again would send its requests again
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
	}
	conn, err := grpc.NewClient("passthrough:///"+address, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", address, err)
	}
	return conn, nil
}

// Over is the option that dials with dial instead of TCP: for services in the same process.
func Over(dial func(context.Context) (net.Conn, error)) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) })
}
