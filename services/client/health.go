package client

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// Serving is what a service says of its health that takes calls.
const Serving = "SERVING"

// Health is what the other side says of the health of a service, in upper case: SERVING, or NOT_SERVING while it drains. "" is the whole
// of it. A service that it does not know is NotFound.
func Health(ctx context.Context, conn grpc.ClientConnInterface, service string) (string, error) {
	response, err := answer(ctx, healthv1.NewHealthClient(conn).Check, &healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		return "", err
	}
	return strings.ToUpper(response.GetStatus().String()), nil
}
