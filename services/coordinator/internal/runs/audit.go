package runs

import (
	"log/slog"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
)

// maxAuditTargets bounds the hosts in a line of the log: a plan may have 10,000.
const maxAuditTargets = 20

// AuditTargets is the hosts to which a plan sends, for a line of the log.
func AuditTargets(p *plan.Plan) slog.Attr {
	hosts, more := p.Targets(maxAuditTargets)
	if more > 0 {
		return slog.Group("targets", "first", hosts, "more", more)
	}
	return slog.Any("targets", hosts)
}

// audit logs what a run came to. The line that was logged when it was created has who called, and from where.
func (c *conductor) audit(final *run.Run) {
	counts := final.Tally.Counts
	c.config.Log.Info("audit: run ended", "run_id", c.id, "subject", final.Creator, AuditTargets(c.about.Plan),
		"planned", counts.Planned, "responses", counts.Responses, "errors", counts.Errors, "not_sent", counts.NotSent,
		"unknown", counts.Unknown, "verdict", final.Verdict.String())
}
