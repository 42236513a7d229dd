package runs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/run"
)

const (
	// A run starts so long after its calls are opened, and at least so many of the slowest worker's round trips: all workers
	// have the plan by then, and wait for the same moment.
	startLead  = 200 * time.Millisecond
	startTrips = 4
	// So long before the start, and at least so many round trips, every worker has to have admitted its shard: there is time
	// left then to cancel all calls before any sends.
	admitLead  = 100 * time.Millisecond
	admitTrips = 2
	// startAttempts is how often a run is opened when a worker is not ready in time: with 200, 400 and 800 ms of lead.
	startAttempts = 3
)

// errLate says that a worker was not ready in time.
var errLate = errors.New("did not answer before the start")

// open reaches the workers, splits the run, and opens all shards. It returns the common start, once every worker has
// admitted its shard; otherwise it says in one sentence why the run does not start, and no worker sends anything once ctx has
// ended. Each attempt has shards of its own.
func (r *Run) open(ctx context.Context, attempt int) (time.Time, error) {
	shards, trip, err := r.gather(ctx, attempt)
	if err != nil {
		return time.Time{}, err
	}
	start := time.Now().Add(max(startLead, startTrips*trip) << attempt)
	for _, s := range shards {
		s.stream = s.worker.Open(ctx, r.about.Plan, dispatch.Shard{
			RunID: r.id, ID: s.id, Grants: s.work.Grants, Concurrency: s.work.Concurrency, Start: start,
		}, s)
	}
	return start, r.awaitAdmission(shards, start.Add(-max(admitLead, admitTrips*trip)))
}

// gather finds the workers, gives each its shard and asks it who it is. Cancelling the run ends the wait.
func (r *Run) gather(ctx context.Context, attempt int) ([]*shard, time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting := make(chan struct{})
	defer func() {
		cancel()
		<-waiting
	}()
	go func() {
		defer close(waiting)
		select {
		case <-r.cancelled:
			cancel()
		case <-ctx.Done():
		}
	}()
	addresses, err := r.config.Workers(ctx)
	if err != nil {
		return nil, 0, r.orCancelled(err)
	}
	work := split.Split(r.about.Plan, r.slots.Slots(), len(addresses))
	shards := r.place(work, addresses, attempt)
	trip, err := r.reach(ctx, shards)
	return shards, trip, r.orCancelled(err)
}

// orCancelled is errCancelled for an error that the run's cancellation has caused.
func (r *Run) orCancelled(err error) error {
	if err != nil && r.isCancelled() {
		return errCancelled
	}
	return err
}

// place gives each shard a worker's address.
func (r *Run) place(work []split.Shard, addresses []string, attempt int) []*shard {
	groups := make([]string, len(r.about.Plan.Requests))
	for i := range groups {
		groups[i] = r.about.Plan.Requests[i].Group
	}
	all := newSeries(r.slots, len(work))
	shards := make([]*shard, len(work))
	for k := range work {
		shards[k] = newShard(k, attempt, addresses[k], work[k], groups, all)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shards, r.series = shards, all
	return shards
}

// reach asks every worker who it is, all at once, and returns the slowest round trip. Of several that fail the first in the
// order of the shards is the error.
func (r *Run) reach(ctx context.Context, shards []*shard) (time.Duration, error) {
	errs := make([]error, len(shards))
	workers := make([]*dispatch.Worker, len(shards))
	var all sync.WaitGroup
	for k, s := range shards {
		all.Go(func() { workers[k], errs[k] = dispatch.Reach(ctx, r.config.Dial, s.address) })
	}
	all.Wait()
	var (
		slowest time.Duration
		first   error
	)
	for k, s := range shards {
		if errs[k] != nil {
			s.refuse(run.Unreachable, errs[k].Error())
			if first == nil {
				first = errs[k]
			}
			continue
		}
		s.setWorker(workers[k])
		slowest = max(slowest, workers[k].Trip)
	}
	return slowest, first
}

// awaitAdmission waits until every worker has admitted its shard, at most until the given moment.
func (r *Run) awaitAdmission(shards []*shard, until time.Time) error {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	for _, s := range shards {
		select {
		case <-s.stream.Started():
		case <-s.stream.Done():
			err := fmt.Errorf("worker %s refused: %w", s.address, s.stream.Err())
			s.refuse(run.Refused, err.Error())
			return err
		case <-timer.C:
			err := fmt.Errorf("worker %s %w", s.address, errLate)
			s.refuse(run.Refused, err.Error())
			return err
		case <-r.cancelled:
			return errCancelled
		}
	}
	return nil
}
