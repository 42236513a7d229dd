package coordinator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// watchInterval is the time between two snapshots of a run that goes on.
const watchInterval = 500 * time.Millisecond

// CreateRun accepts a run and starts it.
func (c *Coordinator) CreateRun(_ context.Context, request *fanoutv1.CreateRunRequest) (*fanoutv1.CreateRunResponse, error) {
	about, violations := wire.ParseNewRun(request, c.config.Caps)
	if len(violations) > 0 {
		return nil, rpcerr.Invalid(violations)
	}
	hash, err := hashOf(request)
	if err != nil {
		c.config.Log.Error("hashing a request", "error", err)
		return nil, rpcerr.Internal()
	}
	created, err := c.registry.Create(about, hash)
	var used *runs.UsedError
	switch {
	case errors.Is(err, runs.ErrFull):
		return nil, rpcerr.Full("coordinator", err.Error())
	case errors.Is(err, runs.ErrClosed):
		return nil, rpcerr.ShuttingDown("coordinator")
	case errors.As(err, &used):
		return nil, rpcerr.AlreadyExists("%v", used)
	case err != nil:
		c.config.Log.Error("creating a run", "error", err)
		return nil, rpcerr.Internal()
	}
	return &fanoutv1.CreateRunResponse{Run: wire.RunProto(created.Current(false), false)}, nil
}

// hashOf tells requests apart that carry the same request_id.
func hashOf(request *fanoutv1.CreateRunRequest) (string, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(encoded)), nil
}

// WatchRun streams the run until its end. Each watcher has a goroutine of its own and takes a snapshot when it is ready for
// one, so a slow watcher gets fewer and slows nothing.
func (c *Coordinator) WatchRun(request *fanoutv1.WatchRunRequest, stream grpc.ServerStreamingServer[fanoutv1.WatchRunResponse]) error {
	watched, err := c.find(request.GetRunId())
	if err != nil {
		return err
	}
	full := wire.RunView(request.GetView())
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		changed := watched.Changed()
		current := watched.Current(full)
		if err := stream.Send(&fanoutv1.WatchRunResponse{Run: wire.RunProto(current, full)}); err != nil {
			return err
		}
		if !current.Ended.IsZero() {
			return nil
		}
		select {
		case <-tick.C:
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// GetRun returns the run as it is now.
func (c *Coordinator) GetRun(_ context.Context, request *fanoutv1.GetRunRequest) (*fanoutv1.GetRunResponse, error) {
	found, err := c.find(request.GetRunId())
	if err != nil {
		return nil, err
	}
	full := wire.RunView(request.GetView())
	return &fanoutv1.GetRunResponse{Run: wire.RunProto(found.Current(full), full)}, nil
}

// CancelRun ends a run cleanly.
func (c *Coordinator) CancelRun(_ context.Context, request *fanoutv1.CancelRunRequest) (*fanoutv1.CancelRunResponse, error) {
	found, err := c.find(request.GetRunId())
	if err != nil {
		return nil, err
	}
	found.Cancel()
	return &fanoutv1.CancelRunResponse{Run: wire.RunProto(found.Current(false), false)}, nil
}

func (c *Coordinator) find(id string) (*runs.Run, error) {
	found := c.registry.Find(id)
	if found == nil {
		return nil, rpcerr.NotFound("run_id %q is no run of this coordinator; ListRuns has those that are kept", id)
	}
	return found, nil
}
