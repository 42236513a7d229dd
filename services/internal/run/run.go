// Package run is a run as callers see it: its plan, how far it is, and what became of its slots. It is plain data.
package run

import (
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Run is a run at one moment. It is not changed once it is made, and may be read by many goroutines.
type Run struct {
	ID      string
	Name    string
	Creator string // the subject; "": nobody was asked for a name
	Labels  map[string]string
	Plan    *plan.Plan // defaults filled in
	State   State
	Verdict Verdict
	Reason  string // one sentence on the verdict; "" for a run that passed or goes on

	LimitedBy     LimitedBy
	LimitedReason string // one sentence; "" with BySchedule and NoLimit

	OnWorkerLoss OnWorkerLoss
	StartSpread  *time.Duration // between the first and the last worker's StartOffset; nil: fewer than two are known

	Created time.Time
	Started time.Time // zero: not all workers have admitted their shard
	Ended   time.Time // zero: it has not ended

	Tally   *tally.Snapshot
	Workers []WorkerResult // in the order of the shards
}

// WorkerResult is one worker's part of a run.
type WorkerResult struct {
	Address    string
	InstanceID string
	Tally      *tally.Snapshot // without groups and buckets
	Failure    *Failure        // nil: it finished, or still runs
	Effort     *Effort         // nil: it did not finish

	// StartOffset is when the shard began less the run's start, on the coordinator's clock; nil: not known.
	StartOffset *time.Duration
}

// Effort is how much a worker had to do for a call.
type Effort struct {
	CPUShare float64 // of what its cores could give, 0 to 1; 0: not known
	Senders  int64   // the most at once
	HeldBack int64   // slots of an open loop that were due while all senders were busy, and there could be no more
	Capped   int64   // of those, the ones for which the worker could have no more, whatever was asked for

	GrantWait     time.Duration // in which senders waited for grants, from the second second on
	StartLateness time.Duration // how long after the run's start the shard began, by the worker's clock
}

// Failure is why a worker did not finish its shard.
type Failure struct {
	Class   FailureClass
	Message string
}

// Interval is one second of a run.
type Interval struct {
	Second      int64           // from the run's start
	Tally       *tally.Snapshot // not cumulative, without buckets
	PlannedRate float64         // slots due in it; 0 without a rate
}

// NewRun is a run to create.
type NewRun struct {
	RequestID string // "": each call is a new run
	Creator   string // who asks for it; "": nobody was asked for a name
	Plan      *plan.Plan
	Name      string
	Labels    map[string]string

	OnWorkerLoss OnWorkerLoss
}

// OnWorkerLoss is what becomes of the slots that a lost worker would have been granted. The numbers are those of
// fanout.v1.OnWorkerLoss, which says what each means.
type OnWorkerLoss int32

// What can be done when a worker is lost.
const (
	Reassign OnWorkerLoss = 1
	Continue OnWorkerLoss = 2
	Fail     OnWorkerLoss = 3
)

// OnWorkerLosses is every one of them, in order.
func OnWorkerLosses() []OnWorkerLoss { return []OnWorkerLoss{Reassign, Continue, Fail} }

// String is the name in the API, without its prefix.
func (o OnWorkerLoss) String() string {
	return name(int(o), "UNSPECIFIED", "REASSIGN", "CONTINUE", "FAIL")
}

// Check is one check of a stored run.
type Check struct {
	Name   string
	OK     bool
	Detail string // the figures that were compared, and what is wrong with them
}

// State is how far a run is. It only goes forward. The numbers are those of fanout.v1.State.
type State int32

// The states.
const (
	Starting State = 1
	Running  State = 2
	Stopping State = 3
	Ended    State = 4
)

// String is the state's name in the API, without its prefix.
func (s State) String() string {
	return name(int(s), "UNSPECIFIED", "STARTING", "RUNNING", "STOPPING", "ENDED")
}

// Verdict is what a run came to. The numbers are those of fanout.v1.Verdict.
type Verdict int32

// The verdicts. Of several that fit, the first of Cancelled, Incomplete, Failed, Passed holds.
const (
	NoVerdict  Verdict = 0
	Passed     Verdict = 1
	Failed     Verdict = 2
	Incomplete Verdict = 3
	Cancelled  Verdict = 4
)

// String is the verdict's name in the API, without its prefix.
func (v Verdict) String() string {
	return name(int(v), "UNSPECIFIED", "PASSED", "FAILED", "INCOMPLETE", "CANCELLED")
}

// LimitedBy is what kept a run from being faster, or from sending on time. The numbers are those of fanout.v1.LimitedBy, which
// has the bounds.
type LimitedBy int32

// What can limit a run.
const (
	NoLimit     LimitedBy = 0
	ByTarget    LimitedBy = 1
	ByGenerator LimitedBy = 2
	BySchedule  LimitedBy = 3
)

// String is the limit's name in the API, without its prefix.
func (l LimitedBy) String() string {
	return name(int(l), "UNSPECIFIED", "TARGET", "GENERATOR", "SCHEDULE")
}

// FailureClass is the closed list of why a worker did not finish its shard. The numbers are those of
// fanout.v1.WorkerFailureClass.
type FailureClass int32

// The failures.
const (
	Unreachable  FailureClass = 1
	Refused      FailureClass = 2
	Lost         FailureClass = 3
	Inconsistent FailureClass = 4
	Stopped      FailureClass = 5
)

// String is the class's name in the API, without its prefix.
func (c FailureClass) String() string {
	return name(int(c), "UNSPECIFIED", "UNREACHABLE", "REFUSED", "LOST", "INCONSISTENT", "STOPPED")
}

func name(i int, names ...string) string {
	if i < 0 || i >= len(names) {
		i = 0
	}
	return names[i]
}
