package runs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/split"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// joinPause is the time between two looks for workers while a run has fewer than it began with.
const joinPause = 10 * time.Second

// mayJoin reports whether a run without workers waits for one.
func (c *conductor) mayJoin() bool {
	return c.joining > 0 || !c.start.IsZero() && time.Now().Before(c.giveUpAt)
}

// join looks for workers without a shard, those excepted that were told to stop everything, in the list or in DNS as they are now, while the run has fewer than it began with: at once
// after a loss, then every 10 s, and every second while nobody is left.
func (c *conductor) join(now time.Time) {
	live := c.liveShards()
	originals := 0
	for _, s := range c.shards {
		if s.hold.original {
			originals++
		}
	}
	wanted := originals - len(live)
	if c.start.IsZero() || c.joining > 0 || c.allGranted() || c.stopped || wanted <= 0 || c.giveUpAt.IsZero() || now.Before(c.joinAfter) || !c.broken.IsZero() {
		return
	}
	c.joinAfter = now.Add(joinPause)
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
			w, err := dispatch.Reach(ctx, c.config.Dial, address)
			if err != nil {
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
	for _, w := range workers {
		if c.allGranted() || c.stopped {
			w.Close()
			continue
		}
		c.joining++
		s := c.newShard(w.Address)
		s.id += "-" + rand.Text() // another worker may be asked for this place
		s.joined = true
		s.hold.concurrency = c.joinConcurrency()
		s.setWorker(w)
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
