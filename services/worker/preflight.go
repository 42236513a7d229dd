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

// share is the part of the run's slots that the job has, as far as it is known when it begins.
func (j *job) share() float64 {
	all := j.work.Schedule.Slots()
	leased := j.shard.Lease > 0
	switch load := j.work.Plan.Load; {
	case leased && load.ClosedLoop != nil:
		return float64(j.shard.Concurrency) / float64(max(load.ClosedLoop.Concurrency, 1))
	case all != schedule.Unbounded && all > 0 && (!leased || load.AllAtOnce()):
		return float64(j.work.Slots.Granted()) / float64(all)
	default:
		return 1 / float64(j.work.Slots.Stride())
	}
}
