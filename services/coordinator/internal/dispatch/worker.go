// Package dispatch is the coordinator's side of the conversation with its workers: it reaches them, opens one FanOut call for
// each shard, and hands on what the streams bring. It keeps no account of its own.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// Dial makes a connection to one worker.
type Dial func(address string) (*grpc.ClientConn, error)

// Worker is a worker process that answered. It is safe for concurrent use.
type Worker struct {
	Address string
	Info    *fanoutv1.GetWorkerResponse
	Trip    time.Duration // GetWorker's round trip

	conn     *grpc.ClientConn
	client   fanoutv1.WorkerServiceClient
	midpoint time.Time // on our clock, when the worker's read Info.clock_nanos
}

// reachTimeout is how long a worker has to say who it is.
const reachTimeout = 2 * time.Second

// Reach connects to the worker at address and asks who it is. The error says in one sentence what is wrong, the address
// included.
func Reach(ctx context.Context, dial Dial, address string) (*Worker, error) {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	conn, err := dial(address)
	if err != nil {
		return nil, err
	}
	w := &Worker{Address: address, conn: conn, client: fanoutv1.NewWorkerServiceClient(conn)}
	// The first call pays for the connection; the second measures the way.
	for range 2 {
		sent := time.Now()
		if w.Info, err = w.client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{}); err != nil {
			_ = conn.Close()
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, fmt.Errorf("worker %s cannot be reached: it did not answer within %v", address, reachTimeout)
			}
			return nil, fmt.Errorf("worker %s cannot be reached: %s", address, rpcerr.Text(err))
		}
		w.Trip = time.Since(sent)
		w.midpoint = sent.Add(w.Trip / 2)
	}
	return w, nil
}

// Clock is what the worker's monotonic clock reads at the moment t of ours.
func (w *Worker) Clock(t time.Time) time.Duration {
	return time.Duration(w.Info.GetClockNanos()) + t.Sub(w.midpoint)
}

// InstanceID is the worker process.
func (w *Worker) InstanceID() string { return w.Info.GetInstanceId() }

// Stop ends a shard cleanly.
func (w *Worker) Stop(ctx context.Context, runID, shardID string) error {
	_, err := w.client.StopFanOut(ctx, &fanoutv1.StopFanOutRequest{RunId: runID, ShardId: shardID})
	return err
}

// Answers asks the worker to stop a shard, and reports whether it answers before ctx ends, whatever it says. Everything that was
// sent to it before has arrived then.
func (w *Worker) Answers(ctx context.Context, runID, shardID string) bool {
	switch status.Code(w.Stop(ctx, runID, shardID)) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return false // these may be our own side's
	default:
		return ctx.Err() == nil
	}
}

// Close closes the connection.
func (w *Worker) Close() { _ = w.conn.Close() }
