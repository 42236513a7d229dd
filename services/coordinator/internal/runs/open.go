package runs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// A run starts so long after its shards are opened, and at least so many of the slowest worker's round trips: all workers
	// have their first grants by then, and wait for the same moment.
	startLead  = 200 * time.Millisecond
	startTrips = 4
	// admitWithin is how long a worker has to admit its shard. Nothing is granted before all have.
	admitWithin = 5 * time.Second
	// stopTimeout is how long a worker has to answer when a run that does not start lets go of its shard.
	stopTimeout = time.Second
)

// errCancelled ends what happens before the start.
var errCancelled = errors.New("the run was cancelled before its start")

// open reaches the workers, opens a shard on each, and fixes the common start. Otherwise it says in one sentence why the run does not
// start; nothing has been granted then, so nothing is sent.
func (c *conductor) open() error {
	ctx, cancel := c.untilCancelled()
	defer cancel()
	addresses, err := c.config.Workers(ctx)
	if err != nil {
		return c.orCancelled(err)
	}
	n := split.Shards(c.about.Plan, c.slots.Slots(), len(addresses))
	shares := split.Concurrencies(c.about.Plan, c.slots.Slots(), n)
	for k := range n {
		c.place(addresses[k], shares[k], true)
	}
	trip, err := c.reachAll(ctx)
	if err == nil {
		err = c.admitAll(ctx)
	}
	if err != nil {
		return c.orCancelled(err)
	}
	c.startAt(time.Now().Add(max(startLead, startTrips*trip)))
	c.joinAfter = c.start.Add(c.config.JoinEvery)
	return nil
}

// untilCancelled is a context that ends when the run is cancelled.
func (c *conductor) untilCancelled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.ctx)
	c.spawn(func() {
		select {
		case <-c.cancelled:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// orCancelled is errCancelled for an error that the run's cancellation has caused.
func (c *conductor) orCancelled(err error) error {
	if err != nil && c.isCancelled() {
		return errCancelled
	}
	return err
}

// place adds a shard at a worker's address.
func (c *conductor) place(address string, concurrency int64, original bool) *shard {
	s := c.newShard(address)
	s.joined = !original
	s.hold.concurrency, s.hold.original = concurrency, original
	c.add(s)
	return s
}

// newShard makes a shard that is not yet one of the run's.
func (c *conductor) newShard(address string) *shard {
	s := newShard(len(c.shards), address, c.endless(), c.groups)
	s.start = c.start
	s.refill = func() {
		select {
		case c.refills <- struct{}{}:
		default: // the conductor looks at all shards
		}
	}
	return s
}

// add makes a shard one of the run's.
func (c *conductor) add(s *shard) {
	h := &s.hold
	h.answered, h.lastAnswer, h.dirty = true, time.Now(), true
	c.mu.Lock()
	defer c.mu.Unlock()
	s.index = len(c.shards)
	shards := make([]*shard, s.index, s.index+1)
	copy(shards, c.shards)
	c.shards = append(shards, s) // readers have the old one
	c.series.join(s.index)
}

// reachAll asks every worker who it is, all at once, and returns the slowest round trip. Of several that fail the first in the
// order of the shards is the error.
func (c *conductor) reachAll(ctx context.Context) (time.Duration, error) {
	errs := make([]error, len(c.shards))
	workers := make([]*dispatch.Worker, len(c.shards))
	var all sync.WaitGroup
	for k, s := range c.shards {
		all.Go(func() { workers[k], errs[k] = dispatch.Reach(ctx, c.config.Dial, s.address, c.config.Version) })
	}
	all.Wait()
	var (
		slowest time.Duration
		first   error
	)
	for k, s := range c.shards {
		if errs[k] != nil {
			class := run.Unreachable
			if other := (*dispatch.ProtocolError)(nil); errors.As(errs[k], &other) {
				class = run.Refused
			}
			s.refuse(class, errs[k].Error())
			if first == nil {
				first = errs[k]
			}
			continue
		}
		s.setWorker(workers[k])
		c.compareVersions(workers[k])
		slowest = max(slowest, workers[k].Trip)
	}
	return slowest, first
}

// compareVersions says in the log that a worker is of another version, which works as long as the protocol is the same.
func (c *conductor) compareVersions(w *dispatch.Worker) {
	if v := w.Info.GetVersion(); v != c.config.Version {
		c.config.Log.Warn("a worker is of another version", "run_id", c.id, "worker", w.Address, "worker_version", v, "version", c.config.Version)
	}
}

// admitAll opens all shards and waits until every worker has admitted its own.
func (c *conductor) admitAll(ctx context.Context) error {
	streams := make([]*dispatch.Stream, len(c.shards))
	for k, s := range c.shards {
		streams[k] = s.worker.Open(c.ctx, c.about.Plan, c.spec(s), s)
		c.spawn(func() { <-streams[k].Done() })
	}
	timer := time.NewTimer(admitWithin)
	defer timer.Stop()
	var first error
	for k, s := range c.shards {
		err := c.admitted(ctx, s, streams[k], timer)
		if err != nil && !errors.Is(err, errCancelled) {
			s.refuse(run.Refused, err.Error())
		}
		first = cmp.Or(first, err)
	}
	if first != nil {
		return first
	}
	for k, s := range c.shards {
		c.attend(s, streams[k])
	}
	return nil
}

// admitted waits until the shard's worker has admitted it, or the timer has fired.
func (c *conductor) admitted(ctx context.Context, s *shard, stream *dispatch.Stream, timer *time.Timer) error {
	var err error
	select {
	case <-stream.Started():
	case <-stream.Done():
		err = fmt.Errorf("worker %s refused: %w", s.address, stream.Err())
	case <-timer.C:
		timer.Reset(0) // for the others
		err = fmt.Errorf("worker %s did not admit its shard within %v", s.address, admitWithin)
	case <-ctx.Done():
		err = errCancelled
	}
	select {
	case <-stream.Started(): // whatever came after it
	default:
		return err
	}
	s.hold.lease, s.hold.lastAnswer = stream.LeaseID(), time.Now()
	return nil
}

// spec is what a worker is to carry out: the shard, or with a lease what has been opened already.
func (c *conductor) spec(s *shard) dispatch.Shard {
	return dispatch.Shard{
		RunID: c.id, ID: s.id, Concurrency: s.hold.concurrency, Epoch: c.config.Store.Epoch(), Lease: c.config.Lease, LeaseID: s.hold.lease,
	}
}

// abandon ends a run that does not start: its workers let go of their shards.
func (c *conductor) abandon(err error) {
	var all sync.WaitGroup
	for _, s := range c.shards {
		if s.worker == nil || s.hold.lease == "" {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(c.ctx, stopTimeout)
			defer cancel()
			let := &wire.Renewal{LeaseID: s.hold.lease, Epoch: c.config.Store.Epoch(), Stop: true}
			if _, err := s.worker.Renew(ctx, let); err == nil {
				let.Release = true
				_, _ = s.worker.Renew(ctx, let) // it forgets the shard by itself otherwise
			}
		})
	}
	all.Wait()
	if c.life.Err() != nil && c.config.Durable {
		c.leaveAlone()
		return
	}
	c.end(err)
}
