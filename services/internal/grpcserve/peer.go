package grpcserve

import (
	"context"

	"google.golang.org/grpc/peer"
)

// Peer is the address from which a call comes, "" if it is not known.
func Peer(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		return p.Addr.String()
	}
	return ""
}
