// Package engine carries out one FanOut call: senders claim the call's slots, send each at its time, and hand the outcomes
// on. It knows neither HTTP nor gRPC. Every slot of the call ends in exactly one outcome, but for those that no sender ever
// claimed: how many they are, and why, the call says at its end.
package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
)

// Sender sends one slot's request at a time, on connections of its own.
type Sender interface {
	// Send sends slot o.Slot's request o.Request and notes in o what came of it, all but Due and Lateness, which together are
	// when it is called. It ends when the context does, which is the same for all slots of a call; context.Cause says why.
	Send(ctx context.Context, o *outcome.Outcome)
	// Close gives up the sender's connections.
	Close()
}

// Work is what a call has to carry out.
type Work struct {
	Plan        *plan.Plan
	Schedule    *schedule.Schedule
	Slots       *lease.Slots
	Concurrency int64     // the most senders at once; without a shape at least the number of slots
	Capped      bool      // so many are what the worker takes, and not what the call asked for
	Start       time.Time // the run's start, with its monotonic reading
}

// Config is how a call reaches its surroundings. The functions are called by many senders at once.
type Config struct {
	NewSender func() Sender
	// Deliver takes a copy of an outcome. It may wait; it must not fail.
	Deliver func(*outcome.Outcome)
	// Sleep waits until a moment and reports true, or false when done is closed first. Nil: a timer of the runtime, which is
	// what fake time needs.
	Sleep func(until time.Time, done <-chan struct{}) bool
	// Admit asks for one more sender than the first; Release gives back one that Admit gave.
	Admit   func() bool
	Release func()
	// IsCrowded reports whether so many connections are being opened that another sender would only wait for its own. Nil: never.
	IsCrowded func() bool
	// Held reports whether the call may still send, and is asked right before each slot is. Nil: it may until it is ended.
	Held func() bool
	Log  *slog.Logger
}

// Call is one call that is being carried out.
//
// Two nested contexts end it. When claim is done no sender starts another slot; when send is done, those in flight end too.
// The first cause of each is the one that counts, and becomes the reason of what was not sent and the class of what was cut.
type Call struct {
	work     Work
	config   Config
	once     bool          // no shape, a sender for each slot: each sends one
	patience time.Duration // of a slot of an open loop; 0 is without end

	claim, send             context.Context
	cancelClaim, cancelSend context.CancelCauseFunc

	waiting  atomic.Int64 // claimed slots of an open loop that are not due yet
	idle     atomic.Int64 // senders without a slot that is due
	allowed  atomic.Int64 // senders at once
	running  atomic.Int64 // senders now
	most     atomic.Int64 // the most senders at once
	late     atomic.Int64 // how long after the start the call began, in nanoseconds
	full     atomic.Bool  // an open loop can have no more senders
	capped   atomic.Bool  // for it is the worker that has no more
	heldBack heldBack
	stopped  atomic.Int64 // when the call stopped, in nanoseconds from its start; notStopped before
	senders  sync.WaitGroup

	mu     sync.Mutex
	timers []*time.Timer // guarded by mu; stopped at the end
	closed bool          // no sender is started any more; guarded by mu
}

// Causes for which a slot is not claimed, beside those of package errclass.
var reasons = map[error]outcome.Reason{
	errclass.ErrCancelled:   outcome.NotSentCancelled,
	errclass.ErrRunDeadline: outcome.NotSentRunEnded,
	errclass.ErrShutdown:    outcome.NotSentLeaseLost,
	errclass.ErrLeaseLost:   outcome.NotSentLeaseLost,
	errclass.ErrBlocked:     outcome.NotSentPolicyBlocked,
}

// grantsSettle is how long a run may take until its grants fit its rate, which is not known before.
const grantsSettle = time.Second

// New makes a call; Run carries it out.
func New(work Work, config Config) *Call {
	c := &Call{work: work, config: config}
	c.allowed.Store(work.Concurrency)
	if c.config.Sleep == nil {
		c.config.Sleep = sleep
	}
	c.once = work.Plan.Load.AllAtOnce() && work.Concurrency >= work.Slots.Granted()
	if open := work.Plan.Load.OpenLoop; open != nil {
		c.patience = open.MaxLateness
	}
	c.stopped.Store(notStopped)
	c.send, c.cancelSend = context.WithCancelCause(context.Background())
	c.claim, c.cancelClaim = context.WithCancelCause(c.send)
	return c
}

// Run carries out the call and returns when every claimed slot has been delivered. The context's end is a cancellation: it
// stops everything at once.
func (c *Call) Run(ctx context.Context) {
	defer c.release()
	if ctx.Err() != nil { // AfterFunc would tell so too late to keep senders from starting
		c.end(errclass.ErrCancelled, 0)
	}
	defer context.AfterFunc(ctx, func() { c.end(errclass.ErrCancelled, 0) })()
	c.scheduleEnd()
	if !c.sleepUntil(c.work.Start) {
		return
	}
	c.late.Store(int64(max(time.Since(c.work.Start), 0)))
	c.work.Slots.CountWaitsFrom(c.work.Start.Add(grantsSettle))
	c.startSenders()
	c.senders.Wait()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.senders.Wait() // those that a change has started meanwhile
	c.holdBackRest()
}

// release frees what the call holds, after its last sender. The context of what is in flight stays as it is: it has no parent that
// would hold it, and connections that outlive the call watch it until its client closes.
func (c *Call) release() {
	c.cancelClaim(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.Stop()
	}
}

// Position is how many slots the call was granted (schedule.Unbounded without end), and how many of them senders have
// begun: those of an open loop for whose time a sender only waits are not.
func (c *Call) Position() (granted, begun int64) {
	waiting := c.waiting.Load() // first: one that is begun in between counts as waiting at worst
	begun = max(c.work.Slots.Claimed()-waiting, 0)
	if c.work.Slots.Endless() {
		return schedule.Unbounded, begun
	}
	return c.work.Slots.Granted(), begun
}

// Waited is how long senders waited for grants, from one second after the start on. It is meant for the time after Run.
func (c *Call) Waited() time.Duration { return c.work.Slots.Waited() }

// Late is how long after the run's start the call began. It is meant for the time after Run.
func (c *Call) Late() time.Duration { return time.Duration(c.late.Load()) }

// Senders is the most senders that the call had at once. It is meant for the time after Run.
func (c *Call) Senders() int64 { return c.most.Load() }

// NotSent is why the slots that nobody claimed were not sent. It is meant for the time after Run.
func (c *Call) NotSent() outcome.Reason {
	if reason, ok := reasons[context.Cause(c.claim)]; ok {
		return reason
	}
	return outcome.NotSentRunEnded
}
