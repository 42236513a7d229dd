// Package runs is the coordinator's runs: how each goes from its plan to its verdict, what is known of it at any moment, and
// which are kept. It knows no proto; package dispatch speaks with the workers, and package store keeps what must not be forgotten.
package runs

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Config is what runs need of their surroundings.
type Config struct {
	// Workers is the addresses of the workers as they are now.
	Workers func(context.Context) ([]string, error)
	Dial    dispatch.Dial
	Store   store.Store
	// Durable says that the store outlives this process: runs that go on when it ends are left to their leases.
	Durable bool
	// ReadOnly says that the store is only read: nothing that goes on is gone on with.
	ReadOnly bool
	// Lease is how long a worker goes on without this coordinator.
	Lease time.Duration
	// JoinEvery is the time between two looks for workers that may join a run.
	JoinEvery time.Duration
	// MaxRunning is how many runs may go on at once.
	MaxRunning int64
	// MaxPerCreator is how many runs of one creator may go on at once, of those whom somebody has asked for a name; 0: as many as of
	// all.
	MaxPerCreator int64
	// Ended is called when a run has ended here, with its verdict, before anyone sees that.
	Ended func(run.Verdict)
	// Fenced is called when another coordinator has taken over the store: this one has to end.
	Fenced func()
	// Version is this coordinator's.
	Version string
	Log     *slog.Logger
}

// Run is one run, as its readers see it. It is safe for concurrent use.
//
// One goroutine, the conductor's, moves it forward; Cancel only asks for its end. Whoever changes what a watcher waits for closes
// changed and puts a new one in its place.
type Run struct {
	config Config
	about  run.NewRun
	id     string
	number int64 // in the order of creation
	slots  *schedule.Schedule

	cancelled chan struct{} // closed by the first Cancel
	cancel    sync.Once
	why       string        // it was cancelled; to be read after cancelled
	stopKept  chan struct{} // closed when it is stored that the run is to stop
	ended     chan struct{} // closed when final is set

	mu       sync.Mutex
	changed  chan struct{} // guarded by mu, like what follows
	left     bool          // the coordinator ends, and the run goes on without it
	state    run.State
	created  time.Time
	started  time.Time // the common start by the wall clock
	shards   []*shard  // each locks itself
	next     int64     // the first slot that nobody was granted
	givenUp  int64     // slots before it that nobody was granted
	deferred int64     // of those, slots that somebody may still be
	final    *run.Run  // the run at its end
}

func newRun(config Config, about run.NewRun, id string, number int64, created time.Time) *Run {
	return &Run{
		config:    config,
		about:     about,
		id:        id,
		number:    number,
		slots:     schedule.New(about.Plan),
		cancelled: make(chan struct{}),
		stopKept:  make(chan struct{}),
		ended:     make(chan struct{}),
		changed:   make(chan struct{}),
		state:     run.Starting,
		created:   created,
	}
}

// ID is the run's identifier.
func (r *Run) ID() string { return r.id }

// Number is the run's place in the order of creation.
func (r *Run) Number() int64 { return r.number }

// Creator is who has created the run; "": nobody was asked for a name.
func (r *Run) Creator() string { return r.about.Creator }

// Ended is closed when the run is over.
func (r *Run) Ended() <-chan struct{} { return r.ended }

// Changed is closed when the run's state next changes.
func (r *Run) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Left reports whether the coordinator ends, and the run goes on without it.
func (r *Run) Left() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left
}

// Cancel asks for the run's end, and returns when that is stored, or with ctx. Every call but the first does nothing.
func (r *Run) Cancel(ctx context.Context) {
	r.cancelBecause("the run was cancelled")
	r.awaitStop(ctx)
}

// awaitStop returns when it is stored that the run is to stop, or with ctx.
func (r *Run) awaitStop(ctx context.Context) {
	select {
	case <-r.stopKept:
	case <-r.ended:
	case <-ctx.Done():
	}
}

func (r *Run) cancelBecause(why string) {
	r.cancel.Do(func() {
		r.move(run.Stopping)
		r.why = why
		close(r.cancelled)
	})
}

// Current is the run as it is now, with histogram buckets if full is set. Once the run has ended it is always the same, and
// has the buckets.
func (r *Run) Current(full bool) *run.Run {
	r.mu.Lock()
	final, shards := r.final, r.shards
	current := r.headLocked()
	givenUp := r.givenUp - r.deferred
	r.mu.Unlock()
	if final != nil {
		return final
	}
	sum := r.fill(current, shards)
	sum.AddNotSent(outcome.NotSentWorkerLost, givenUp)
	sum.Counts.Planned += givenUp
	if all := r.slots.Slots(); all != schedule.Unbounded {
		// Not what is left from next on: the conductor may just be granting to one shard after the other.
		left := max(all-sum.Counts.Planned, 0)
		sum.Counts.Pending += left
		sum.Counts.Planned += left
	}
	current.Tally = sum.Snapshot(full)
	return current
}

// Intervals is at most n complete seconds from the given one on, and whether there are more.
func (r *Run) Intervals(ctx context.Context, from int64, n int) ([]run.Interval, bool, error) {
	rows, more, err := r.config.Store.Intervals(ctx, r.id, from, n)
	if err != nil {
		return nil, false, err
	}
	intervals := make([]run.Interval, len(rows))
	for i, row := range rows {
		if intervals[i], err = newInterval(row, r.slots); err != nil {
			return nil, false, err
		}
	}
	return intervals, more, nil
}

// headLocked is the run without its tallies.
func (r *Run) headLocked() *run.Run {
	return &run.Run{
		ID: r.id, Name: r.about.Name, Creator: r.about.Creator, Labels: maps.Clone(r.about.Labels), Plan: r.about.Plan, OnWorkerLoss: r.about.OnWorkerLoss,
		State: r.state, Created: r.created, Started: r.started,
	}
}

// fill adds the workers' results, and returns the sum of their tallies.
func (r *Run) fill(current *run.Run, shards []*shard) *tally.Tally {
	sum := new(tally.Tally)
	for i, s := range shards {
		t, result := s.result()
		if i == 0 {
			sum = t // a copy of our own
		} else {
			sum.Merge(t)
		}
		current.Workers = append(current.Workers, result)
	}
	return sum
}

// move sets the state, which only goes forward, and wakes whoever watches.
func (r *Run) move(state run.State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state <= r.state {
		return
	}
	r.state = state
	r.wakeLocked()
}

func (r *Run) wakeLocked() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// isCancelled reports whether somebody asked for the run's end.
func (r *Run) isCancelled() bool {
	select {
	case <-r.cancelled:
		return true
	default:
		return false
	}
}

// whyCancelled is why the run was cancelled; "" is not at all.
func (r *Run) whyCancelled() string {
	if !r.isCancelled() {
		return ""
	}
	return r.why
}
