package runs

import (
	"context"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
)

const (
	// tick is the time between two windows of grants, and two renewals.
	tick = time.Second
	// refillPause is the least time between two grants of a closed loop.
	refillPause = 100 * time.Millisecond
	// rateKnown is how long after its start the rate of a closed loop says something.
	rateKnown = 3 * refillPause
	// settling is for how long a closed loop is looked at every refillPause, until its rate is known.
	settling = 1500 * time.Millisecond
	// resumeWithin is how old a run may be that was never granted anything, for a coordinator that starts to start it: nobody wants
	// a surprise load at night.
	resumeWithin = time.Minute
)

// conductor carries one run out. One goroutine runs it, and calls everything below; whatever happens elsewhere is posted to it.
type conductor struct {
	*Run
	ctx     context.Context // of the streams and renewals; its end ends them
	cut     context.CancelFunc
	life    context.Context // the coordinator's
	leave   <-chan struct{} // closed when the coordinator ends and leaves its runs to their leases
	posts   chan func()
	refills chan struct{}  // capacity 1: a shard of a closed loop has used half of what it had in hand
	others  sync.WaitGroup // goroutines that post
	series  *series
	groups  []string

	start     time.Time // the run's, on our monotonic clock; zero: not known
	since     time.Time // since when this process waits for answers
	looked    time.Time // when it looked at everything last
	resumed   bool      // the run was begun by an earlier life
	caughtUp  bool      // and has been granted slots by this one
	tooOld    bool      // it was created by one, and is not to begin any more
	exhausted bool      // no slot is left to grant
	stopped   bool      // the shards are to stop: cancelled, or failed
	stopSaved bool      // that is stored, and may be told
	failed    string    // why the run was stopped though nobody cancelled it
	blockedBy string    // the same, when a worker's egress guard was the reason
	over      bool      // the loop ends
	leaving   bool      // and the run goes on without this process

	kept       bool   // the end is stored, or the run was left
	encoded    []byte // what the run was created with
	saving     bool
	savingFrom time.Time
	done       chan error   // capacity 1: the transaction's end
	onKept     func()       // what holds then
	again      bool         // there is more to store
	unsaved    store.Change // what is being stored, and what a failed transaction had
	broken     time.Time    // since when the store fails
	storeError error
	lastGrant  time.Time
	waiting    bool      // a refill is due
	joining    int       // looks and openings that go on
	joinAfter  time.Time // the next look for workers
	giveUpAt   time.Time // when a run without workers ends
}

func newConductor(r *Run, encoded []byte, life context.Context, leave <-chan struct{}) *conductor {
	c := &conductor{
		Run: r, encoded: encoded, life: life, leave: leave, posts: make(chan func(), 64), refills: make(chan struct{}, 1), series: newSeries(), since: time.Now(),
	}
	c.ctx, c.cut = context.WithCancel(life)
	for i := range r.about.Plan.Requests {
		c.groups = append(c.groups, r.about.Plan.Requests[i].Group)
	}
	return c
}

// carryOut carries the run out, from its plan, or from where an earlier life of the coordinator left it, to its verdict.
func (c *conductor) carryOut() {
	defer c.others.Wait()
	defer c.closeWorkers()
	defer c.cut()
	if c.tooOld {
		c.abandon(errTooOld)
		return
	}
	if !c.resumed {
		if err := c.open(); err != nil {
			c.abandon(err)
			return
		}
		c.grant(time.Now())
		c.save()
	} else {
		c.attachAll()
	}
	c.loop()
	switch {
	case c.leaving || c.life.Err() != nil && c.config.Durable:
		c.leaveAlone()
	default:
		c.end(nil)
	}
}

// loop runs what is posted, and looks at everything once a second, until the run is over.
func (c *conductor) loop() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	cancelled := c.cancelled
	if c.stopped {
		cancelled = nil
	}
	c.settle()
	for !c.over {
		select {
		case f := <-c.posts:
			f()
		case <-c.refills:
			c.refill()
		case err := <-c.done:
			c.saved(err)
		case now := <-ticker.C:
			c.look(now)
		case <-cancelled:
			cancelled = nil
			c.stop()
		case <-c.leave:
			c.leaving, c.over = true, true
		case <-c.life.Done():
			c.over = true
		}
		if c.isOver() {
			c.over = true
		}
	}
}

// post has f run by the conductor's goroutine, unless the run is over by then.
func (c *conductor) post(f func()) {
	select {
	case c.posts <- f:
	case <-c.ctx.Done():
	}
}

// spawn runs f in a goroutine that ends before the run does.
func (c *conductor) spawn(f func()) { c.others.Go(f) }

// after posts f after d.
func (c *conductor) after(d time.Duration, f func()) {
	c.spawn(func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			c.post(f)
		case <-c.ctx.Done():
		}
	})
}

// look is what is done once a second: who is lost, what is granted, and what is stored; then all leases are renewed. While a
// transaction goes on they are renewed without it, so that a slow disk ends no lease.
func (c *conductor) look(now time.Time) {
	if now.Sub(c.looked) > 3*tick {
		c.since = now // this process stood still, and asked nobody
	}
	c.looked = now
	c.checkOverdue(now)
	c.checkLost(now)
	c.checkStore(now)
	c.join(now)
	if c.saving {
		c.renewAll()
		return
	}
	c.grant(now)
	c.save()
}

// settle looks at a closed loop more often while its rate is not known.
func (c *conductor) settle() {
	if c.about.Plan.Load.ClosedLoop == nil || c.exhausted || !c.start.IsZero() && time.Since(c.start) > settling {
		return
	}
	c.after(refillPause, func() {
		if !c.saving && !c.start.IsZero() && time.Now().After(c.start) {
			c.grant(time.Now())
			c.save()
		}
		c.settle()
	})
}

// stop stops all shards, once it is stored that they are to.
func (c *conductor) stop() {
	c.stopped = true
	reason := outcome.NotSentCancelled
	if c.blockedBy != "" {
		reason = outcome.NotSentPolicyBlocked
	}
	for _, s := range c.shards {
		s.mu.Lock()
		s.reason = reason
		s.mu.Unlock()
	}
	c.save()
}

// startAt fixes the run's start, on our monotonic clock.
func (c *conductor) startAt(start time.Time) {
	c.start = start
	c.mu.Lock()
	if c.started.IsZero() {
		c.started = start
	}
	shards := c.shards
	c.mu.Unlock()
	for _, s := range shards {
		s.mu.Lock()
		s.start = start
		s.mu.Unlock()
	}
}

// begun moves the run to RUNNING: its first grants are stored.
func (c *conductor) begun() { c.move(run.Running) }
