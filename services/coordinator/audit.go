package coordinator

import (
	"context"

	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// audit logs who has asked for a run from where, to which hosts, and what was said. Of a plan that is wrong it has nothing: what is not
// a URL may be a secret in the wrong place. A CreateRun that is repeated is logged again.
func (c *Coordinator) audit(ctx context.Context, about *run.NewRun, created *runs.Run, err error) {
	fields := []any{"subject", access.CallerOf(ctx).Subject, "peer", grpcserve.Peer(ctx)}
	if about.Plan != nil {
		fields = append(fields, runs.AuditTargets(about.Plan))
		if n := schedule.New(about.Plan).Slots(); n != schedule.Unbounded {
			fields = append(fields, "planned", n)
		}
	}
	if err != nil {
		c.config.Log.Info("audit: run refused", append(fields, "code", status.Code(err).String())...)
		return
	}
	c.config.Log.Info("audit: run accepted", append(fields, "run_id", created.ID())...)
}
