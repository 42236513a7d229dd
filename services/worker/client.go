package worker

import (
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/http1"
	"github.com/fanout-load/fanout/services/worker/internal/httpstd"
)

// client makes the HTTP client of a call: of the engine that the plan asks for. Its owner closes it after the senders. held: see
// engine.Config.
func (w *Worker) client(j *job, held func() bool, t *trail) (client interface{ Close() }, newSender func() engine.Sender, err error) {
	userAgent := "fanout/" + w.config.Version
	if j.work.Plan.HTTP.Engine == plan.EngineStd {
		std, err := httpstd.New(j.work.Plan, httpstd.Config{
			RunID: j.key.run, UserAgent: userAgent, Dialer: w.config.Dialer, Start: j.work.Start, Watch: t.watch(), Held: held,
			MaxHead: int(w.config.Caps.HeadBytes), MaxBody: w.config.Caps.ResponseBytes,
		})
		if err != nil {
			return nil, nil, err
		}
		return std, func() engine.Sender { return std.Sender() }, nil
	}
	config := http1.Config{
		RunID: j.key.run, UserAgent: userAgent, Dialer: w.config.Dialer, Start: j.work.Start, Watch: t.watch(), Held: held,
		MaxHead: int(w.config.Caps.HeadBytes), MaxBody: w.config.Caps.ResponseBytes,
	}
	// A run always starts with new connections, and so does a call that counts what each of them carries, or that keeps to targets of
	// its own: another call may have had a connection opened that this one's rules refuse.
	if j.key.shard == "" && j.work.Plan.HTTP.RequestsPerConnection == 0 && len(j.work.Plan.HTTP.AllowedTargets) == 0 {
		config.Pool, config.Owner = &w.pool, j.key.subject
	}
	own, err := http1.New(j.work.Plan, config)
	if err != nil {
		return nil, nil, err
	}
	return own, func() engine.Sender { return own.Sender() }, nil
}
