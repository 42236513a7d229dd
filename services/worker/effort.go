package worker

import (
	"runtime"
	"time"

	"github.com/fanout-load/fanout/services/internal/cputime"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
)

// effort is how much a call took that has ended.
func effort(m measure, call *engine.Call) *run.Effort {
	heldBack, capped := call.HeldBack()
	return &run.Effort{
		CPUShare: m.cpuShare(), Senders: call.Senders(), HeldBack: heldBack, Capped: capped,
		GrantWait: call.Waited(), StartLateness: call.Late(),
	}
}

// measure is what a call has cost the process since it began, as far as the system says: calls that run at once share it.
type measure struct {
	begun time.Time
	cpu   time.Duration
}

// begin begins to measure; the time before the run's start, in which everybody waits, does not count.
func begin(start time.Time) measure {
	begun := time.Now()
	if start.After(begun) {
		begun = start
	}
	return measure{begun, cputime.Used()}
}

// cpuShare is the part of what the process's cores could give that it has used, 0 to 1; 0 when it is not known.
func (m measure) cpuShare() float64 {
	elapsed := time.Since(m.begun)
	if m.cpu == 0 || elapsed <= 0 {
		return 0
	}
	used := cputime.Used() - m.cpu
	return min(float64(used)/(float64(elapsed)*float64(runtime.GOMAXPROCS(0))), 1)
}
