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
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// watchInterval is the time between two snapshots of a run that goes on.
const watchInterval = 500 * time.Millisecond

// fittingRun is the message about a run, which stays within what gRPC takes by default. What stands for a secret may be longer than
// the secret, so that even a plan that has come in may be too long to go out.
func fittingRun(r *run.Run, full bool) *fanoutv1.Run {
	pb := wire.RunProto(r, full)
	if proto.Size(pb) <= messageBytes {
		return pb
	}
	for _, group := range pb.GetTally().GetGroups() {
		for _, latency := range []*fanoutv1.Latency{
			group.GetServiceTime(), group.GetResponseTime(), group.GetLateness(), group.GetFirstByteTime(),
		} {
			if latency != nil {
				latency.Buckets = nil
			}
		}
	}
	if proto.Size(pb) > messageBytes {
		for _, request := range pb.GetPlan().GetRequests() {
			request.Body = nil
		}
	}
	if proto.Size(pb) > messageBytes {
		for _, request := range pb.GetPlan().GetRequests() {
			request.Headers = nil
		}
	}
	return pb
}

// messageBytes is gRPC's default limit, less what is around the run.
const messageBytes = 4<<20 - 1<<10

// CreateRun accepts a run and starts it.
func (c *Coordinator) CreateRun(ctx context.Context, request *fanoutv1.CreateRunRequest) (*fanoutv1.CreateRunResponse, error) {
	about, violations := wire.ParseNewRun(request, c.config.Caps)
	about.Creator = access.CallerOf(ctx).Subject
	created, err := c.create(ctx, request, about, violations)
	c.audit(ctx, &about, created, err)
	if err != nil {
		return nil, err
	}
	return &fanoutv1.CreateRunResponse{Run: fittingRun(created.Current(false), false)}, nil
}

func (c *Coordinator) create(ctx context.Context, request *fanoutv1.CreateRunRequest, about run.NewRun, violations []wire.Violation) (*runs.Run, error) {
	if len(violations) > 0 {
		return nil, rpcerr.Invalid(violations)
	}
	hash, err := hashOf(request)
	if err != nil {
		c.config.Log.Error("hashing a request", "error", err)
		return nil, rpcerr.Internal()
	}
	created, err := c.registry.Create(ctx, about, hash)
	var (
		used  *runs.UsedError
		quota *runs.QuotaError
	)
	switch {
	case errors.As(err, &quota):
		return nil, rpcerr.Full(quota.Creator, quota.Error())
	case errors.Is(err, runs.ErrFull):
		return nil, rpcerr.Full("coordinator", err.Error())
	case errors.Is(err, runs.ErrClosed):
		return nil, rpcerr.ShuttingDown("coordinator")
	case errors.As(err, &used):
		return nil, rpcerr.AlreadyExists("%v", used)
	case err != nil:
		return nil, c.storeError("creating a run", err)
	}
	return created, nil
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
	watched, err := c.find(stream.Context(), request.GetRunId())
	if err != nil {
		return err
	}
	if n := c.watchers.Add(1); n > c.config.MaxWatchers {
		c.watchers.Add(-1)
		return rpcerr.Full("coordinator", fmt.Sprintf("the coordinator is full: %d of %d watchers (--max-watchers) are there; try again later, or use GetRun",
			n-1, c.config.MaxWatchers))
	}
	defer c.watchers.Add(-1)
	full := wire.RunView(request.GetView())
	patient := grpcserve.Patiently(stream.Send, c.config.Unread, nil)
	defer patient.Close()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		changed := watched.Changed()
		current := watched.Current(full)
		if err := patient.Send(&fanoutv1.WatchRunResponse{Run: fittingRun(current, full)}); err != nil {
			return err
		}
		if !current.Ended.IsZero() {
			return nil
		}
		if watched.Left() {
			return rpcerr.ShuttingDown("coordinator")
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
func (c *Coordinator) GetRun(ctx context.Context, request *fanoutv1.GetRunRequest) (*fanoutv1.GetRunResponse, error) {
	found, err := c.find(ctx, request.GetRunId())
	if err != nil {
		return nil, err
	}
	full := wire.RunView(request.GetView())
	return &fanoutv1.GetRunResponse{Run: fittingRun(found.Current(full), full)}, nil
}

// CancelRun ends a run cleanly.
func (c *Coordinator) CancelRun(ctx context.Context, request *fanoutv1.CancelRunRequest) (*fanoutv1.CancelRunResponse, error) {
	found, err := c.findOwn(ctx, request.GetRunId())
	if err != nil {
		return nil, err
	}
	kept, cancel := context.WithTimeout(ctx, cancelBound)
	defer cancel()
	found.Cancel(kept)
	return &fanoutv1.CancelRunResponse{Run: fittingRun(found.Current(false), false)}, nil
}

// cancelBound is how long CancelRun waits until it is stored.
const cancelBound = time.Second

// DeleteRun forgets a run that has ended.
func (c *Coordinator) DeleteRun(ctx context.Context, request *fanoutv1.DeleteRunRequest) (*fanoutv1.DeleteRunResponse, error) {
	id := request.GetRunId()
	if _, err := c.findOwn(ctx, id); err != nil {
		return nil, err
	}
	switch err := c.registry.Delete(ctx, id); {
	case errors.Is(err, store.ErrNoRun):
		return nil, notFound(id)
	case errors.Is(err, runs.ErrNotEnded):
		return nil, rpcerr.NotEnded("run_id %.80q has not ended; cancel it first", id)
	case err != nil:
		return nil, c.storeError("deleting a run", err)
	}
	return &fanoutv1.DeleteRunResponse{}, nil
}

// VerifyRun checks what is stored of a run that has ended.
func (c *Coordinator) VerifyRun(ctx context.Context, request *fanoutv1.VerifyRunRequest) (*fanoutv1.VerifyRunResponse, error) {
	id := request.GetRunId()
	checks, err := c.registry.Verify(ctx, id)
	switch {
	case errors.Is(err, store.ErrNoRun):
		return nil, notFound(id)
	case errors.Is(err, runs.ErrNotEnded):
		return nil, rpcerr.NotEnded("run_id %.80q has not ended; wait for its end", id)
	case err != nil:
		return nil, c.storeError("verifying a run", err)
	}
	response := &fanoutv1.VerifyRunResponse{}
	for _, check := range checks {
		response.Checks = append(response.Checks, &fanoutv1.RunCheck{Name: check.Name, Ok: check.OK, Detail: check.Detail})
	}
	return response, nil
}

func (c *Coordinator) find(ctx context.Context, id string) (*runs.Run, error) {
	found, err := c.registry.Find(ctx, id)
	switch {
	case errors.Is(err, store.ErrNoRun):
		return nil, notFound(id)
	case err != nil:
		return nil, c.storeError("reading a run", err)
	}
	return found, nil
}

func notFound(id string) error {
	if id == "" {
		return rpcerr.Invalid([]wire.Violation{{Field: "run_id", Description: "is required; ListRuns has the runs that are kept"}})
	}
	return rpcerr.NotFound("run_id %.80q is no run of this coordinator; ListRuns has those that are kept", id)
}

// storeError is what a caller hears of a store that failed.
func (c *Coordinator) storeError(doing string, err error) error {
	if errors.Is(err, store.ErrReadOnly) {
		return rpcerr.Store("the store is only being read; ask the coordinator that has it")
	}
	c.config.Log.Error(doing, "error", err)
	return rpcerr.Store("the coordinator's store failed; its log has the details")
}
