package coordinator

import (
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/run"
)

// expose shows the coordinator's figures. The function that it returns counts a run that has ended.
func (c *Coordinator) expose(m *metrics.Endpoint) (ended func(run.Verdict)) {
	m.Gauge("fanout_coordinator_runs", "Runs that go on.", func() int64 { return c.registry.Running() })
	m.Gauge("fanout_coordinator_watchers", "Callers that watch a run.", c.watchers.Load)
	var verdicts []string
	for _, v := range []run.Verdict{run.Passed, run.Failed, run.Incomplete, run.Cancelled} {
		verdicts = append(verdicts, v.String())
	}
	by := m.Counters("fanout_coordinator_runs_ended_total", "Runs that this process has ended, by verdict.", "verdict", verdicts)
	return func(v run.Verdict) { by.Add(v.String(), 1) }
}
