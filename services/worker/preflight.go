package worker

import (
	"github.com/fanout-load/fanout/services/internal/filelimit"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/preflight"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Machine is what this process has to open connections with, as a worker with these caps.
func Machine(caps plan.Caps) preflight.Machine {
	return preflight.Machine{Files: filelimit.Open(), Senders: caps.Senders, Ports: preflight.Ports()}
}

// warn says in the log what this machine may lack for the job.
func (w *Worker) warn(j *job) {
	atOnce := j.work.Concurrency
	if j.work.Plan.Load.OpenLoop != nil && j.work.Capped {
		atOnce = 0 // not asked for, but all that there are
	}
	for _, warning := range preflight.Warnings(j.work.Plan, atOnce, j.share(), w.machine) {
		w.config.Log.Warn("this machine may lack what a call needs", "run_id", j.key.run, "shard_id", j.key.shard, "warning", warning)
	}
}

// share is the part of the run's slots that the job has.
func (j *job) share() float64 {
	if all := j.work.Schedule.Slots(); all != schedule.Unbounded && all > 0 {
		return float64(j.planned) / float64(all)
	}
	return 1 / float64(max(j.work.Grants[0].Stride, 1))
}
