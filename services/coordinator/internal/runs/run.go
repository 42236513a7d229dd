// Package runs is the coordinator's runs: how each goes from its plan to its verdict, what is known of it at any moment, and
// which are kept. It knows no proto; package dispatch speaks with the workers.
package runs

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Config is what runs need of their surroundings.
type Config struct {
	// Workers is the addresses of the workers as they are now.
	Workers func(context.Context) ([]string, error)
	Dial    dispatch.Dial
	Log     *slog.Logger
}

// Run is one run. It is safe for concurrent use.
//
// One goroutine (carryOut) moves it forward; Cancel only asks for its end. Whoever changes what a watcher waits for closes
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
	ended     chan struct{} // closed when final is set

	mu      sync.Mutex
	changed chan struct{} // guarded by mu
	state   run.State     // guarded by mu
	created time.Time
	started time.Time // guarded by mu
	shards  []*shard  // guarded by mu; each locks itself
	series  *series   // guarded by mu; locks itself
	final   *run.Run  // guarded by mu; the run at its end
}

func newRun(config Config, about run.NewRun, id string, number int64) *Run {
	return &Run{
		config:    config,
		about:     about,
		id:        id,
		number:    number,
		slots:     schedule.New(about.Plan),
		cancelled: make(chan struct{}),
		ended:     make(chan struct{}),
		changed:   make(chan struct{}),
		state:     run.Starting,
		created:   time.Now(),
	}
}

// ID is the run's identifier.
func (r *Run) ID() string { return r.id }

// Number is the run's place in the order of creation.
func (r *Run) Number() int64 { return r.number }

// Ended is closed when the run is over.
func (r *Run) Ended() <-chan struct{} { return r.ended }

// Changed is closed when the run's state next changes.
func (r *Run) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Cancel asks for the run's end and returns at once. Every call but the first does nothing.
func (r *Run) Cancel() { r.cancelBecause("the run was cancelled") }

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
	r.mu.Unlock()
	if final != nil {
		return final
	}
	r.fill(current, shards, full)
	return current
}

// Intervals is at most n complete seconds from the given one on, and whether there are more.
func (r *Run) Intervals(from int64, n int) ([]run.Interval, bool) {
	r.mu.Lock()
	all := r.series
	r.mu.Unlock()
	if all == nil {
		return nil, false
	}
	return all.page(from, n)
}

// headLocked is the run without its tallies.
func (r *Run) headLocked() *run.Run {
	return &run.Run{
		ID: r.id, Name: r.about.Name, Labels: maps.Clone(r.about.Labels), Plan: r.about.Plan,
		State: r.state, Created: r.created, Started: r.started,
	}
}

// fill adds the tallies of the shards.
func (r *Run) fill(current *run.Run, shards []*shard, full bool) {
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
	if len(shards) == 0 && r.slots.Slots() != schedule.Unbounded {
		sum.Counts.Planned = r.slots.Slots()
		sum.Counts.Pending = sum.Counts.Planned
	}
	current.Tally = sum.Snapshot(full)
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

// errCancelled ends what happens before the start.
var errCancelled = errors.New("the run was cancelled before its start")
