package runs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// mayJoin reports whether a run without workers waits for one.
func (c *conductor) mayJoin() bool {
	return c.joining > 0 || !c.start.IsZero() && time.Now().Before(c.giveUpAt)
}

// join looks for workers without a shard, those excepted that were told to stop everything, in the list or in DNS as they are now: every
// JoinEvery, at once after a loss, and every second while nobody is left.
func (c *conductor) join(now time.Time) {
	if c.start.IsZero() || c.joining > 0 || c.allGranted() || c.stopped || now.Before(c.joinAfter) || !c.broken.IsZero() {
		return
	}
	live := c.liveShards()
	wanted := c.wanted(len(live))
	if wanted <= 0 {
		return
	}
	c.joinAfter = now.Add(c.config.JoinEvery)
	if len(live) == 0 {
		c.joinAfter = now.Add(tick / 2)
	}
	c.joining++
	taken := map[string]bool{}
	for _, s := range live {
		taken[s.address] = true
	}
	for _, s := range c.shards {
		if s.isBarred() {
			taken[s.address] = true
		}
	}
	c.spawn(func() {
		workers := c.find(taken, wanted)
		c.post(func() { c.found(workers) })
	})
}

// wanted is how many workers may join so many that are live. An open loop takes all that its slots and its concurrency are enough for:
// each gets its part of the next windows. A closed loop has its concurrency divided from the start, and takes as many as it has lost.
// With CONTINUE the split stays as it was.
func (c *conductor) wanted(live int) int {
	switch {
	case c.about.OnWorkerLoss == run.Continue:
		return 0
	case c.about.Plan.Load.OpenLoop != nil:
		return split.Shards(c.about.Plan, c.slots.Slots(), math.MaxInt) - live
	}
	originals := 0
	for _, s := range c.shards {
		if s.hold.original {
			originals++
		}
	}
	return originals - live
}

// find is at most so many workers that answer, at addresses that are not taken.
func (c *conductor) find(taken map[string]bool, most int) (workers []*dispatch.Worker) {
	ctx, cancel := context.WithTimeout(c.ctx, admitWithin)
	defer cancel()
	addresses, err := c.config.Workers(ctx)
	if err != nil {
		c.config.Log.Warn("looking for workers", "run_id", c.id, "error", err)
		return nil
	}
	answers := make(chan *dispatch.Worker)
	asked := 0
	for _, address := range addresses {
		if taken[address] {
			continue
		}
		asked++
		c.spawn(func() {
			w, err := dispatch.Reach(ctx, c.config.Dial, address, c.config.Version)
			if err != nil {
				c.config.Log.Debug("a worker cannot join", "run_id", c.id, "worker", address, "error", err)
				w = nil
			} else {
				context.AfterFunc(c.ctx, w.Close) // the run may end before it hears of the worker
			}
			answers <- w
		})
	}
	for range asked {
		switch w := <-answers; {
		case w == nil:
		case len(workers) < most:
			workers = append(workers, w)
		default:
			w.Close()
		}
	}
	return workers
}

// found opens shards on workers that can join. A shard is granted slots once its lease is stored.
func (c *conductor) found(workers []*dispatch.Worker) {
	c.joining--
	here := map[string]bool{}
	for _, s := range c.liveShards() {
		here[s.instanceID()] = true
	}
	for _, w := range workers {
		id := w.InstanceID()
		if c.allGranted() || c.stopped || id != "" && here[id] { // or is here by another of its addresses
			w.Close()
			continue
		}
		here[id] = true
		c.joining++
		s := c.newShard(w.Address)
		s.id += "-" + rand.Text() // another worker may be asked for this place
		s.joined = true
		s.hold.concurrency = c.joinConcurrency()
		s.setWorker(w)
		c.compareVersions(w)
		spec := c.spec(s)
		c.spawn(func() { c.admit(s, spec) })
	}
}

// admit opens a shard on a worker that joins.
func (c *conductor) admit(s *shard, spec dispatch.Shard) {
	ctx, cancel := context.WithCancel(c.ctx)
	stream := s.worker.Open(ctx, c.about.Plan, spec, s)
	timer := time.NewTimer(admitWithin)
	defer timer.Stop()
	var err error
	select {
	case <-stream.Started():
		c.post(func() { c.joined(s, stream) })
		<-stream.Done()
		cancel()
		return
	case <-stream.Done():
		err = cmp.Or(stream.Err(), errors.New("its stream ended before the shard was admitted"))
	case <-timer.C:
		err = fmt.Errorf("it did not admit its shard within %v", admitWithin)
	case <-ctx.Done():
		err = ctx.Err()
	}
	cancel()
	<-stream.Done()
	c.post(func() { c.refused(s, err) })
}

// joinConcurrency is the concurrency with which a shard is opened that joins; 0 is the worker's cap.
func (c *conductor) joinConcurrency() int64 {
	total := split.Concurrency(c.about.Plan, c.slots.Slots())
	if total == schedule.Unbounded {
		return 0
	}
	return max(split.Share(total, 0, int64(len(c.liveShards())+1)), 1)
}

// joined takes a shard into the run whose worker has admitted it.
func (c *conductor) joined(s *shard, stream *dispatch.Stream) {
	c.joining--
	c.add(s)
	s.hold.lease = stream.LeaseID()
	c.config.Log.Info("a worker has joined", "run_id", c.id, "worker", s.address)
	c.attend(s, stream)
	c.rebalance()
	c.save()
}

// refused notes that a worker did not take a shard, which is none then.
func (c *conductor) refused(s *shard, err error) {
	c.joining--
	s.worker.Close()
	c.config.Log.Info("a worker did not join", "run_id", c.id, "worker", s.address, "error", err)
}
