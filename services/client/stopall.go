package client

import (
	"context"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// StopAll ends every run of the coordinator that goes on, and returns how many those were. It is for admins.
func (c *Coordinator) StopAll(ctx context.Context) (int64, error) {
	response, err := answer(ctx, c.client.StopAll, &fanoutv1.CoordinatorServiceStopAllRequest{})
	return response.GetStoppedCount(), err
}

// StopWorker ends every call and every leased shard of the worker over the connection, and returns how many those were. It is for admins.
func StopWorker(ctx context.Context, conn grpc.ClientConnInterface) (int64, error) {
	response, err := answer(ctx, fanoutv1.NewWorkerServiceClient(conn).StopAll, &fanoutv1.WorkerServiceStopAllRequest{})
	return response.GetStoppedCount(), err
}
