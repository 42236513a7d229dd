package coordinator

import (
	"context"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// findOwn is the run that the caller wants to end or to forget, if it may: its own, and an admin every run.
func (c *Coordinator) findOwn(ctx context.Context, id string) (*runs.Run, error) {
	found, err := c.find(ctx, id)
	if err != nil {
		return nil, err
	}
	caller, creator := access.CallerOf(ctx), found.Creator()
	switch {
	case caller.MayEnd(creator):
		return found, nil
	case creator == "":
		return nil, rpcerr.NotOwner("run_id %q was created when nobody was asked for a name, and you are %s; ask an admin", id, caller.Subject)
	default:
		return nil, rpcerr.NotOwner("run_id %q was created by %s, and you are %s; ask %[2]s, or an admin", id, creator, caller.Subject)
	}
}

// StopAll cancels every run that goes on.
func (c *Coordinator) StopAll(ctx context.Context, _ *fanoutv1.CoordinatorServiceStopAllRequest) (*fanoutv1.CoordinatorServiceStopAllResponse, error) {
	why := "the run was cancelled by StopAll"
	subject := access.CallerOf(ctx).Subject
	if subject != "" {
		why += " of " + subject
	}
	kept, cancel := context.WithTimeout(ctx, cancelBound)
	defer cancel()
	n := c.registry.StopAll(kept, why)
	c.config.Log.Warn("audit: all runs stopped", "subject", subject, "stopped", n)
	return &fanoutv1.CoordinatorServiceStopAllResponse{StoppedCount: int64(n)}, nil
}
