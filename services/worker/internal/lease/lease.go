package lease

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// State is what a lease can take. The numbers are those of fanout.v1.LeaseState.
type State int32

// The states.
const (
	Active   State = 1
	Draining State = 2
	Ended    State = 3
)

// Why a lease ends.
var (
	ErrStopped = errors.New("the shard was stopped")
	ErrExpired = errors.New("the lease was not renewed")
)

// FencedError says that a higher epoch owns the lease.
type FencedError struct{ Epoch, Owner int64 }

// Error names both epochs.
func (e *FencedError) Error() string {
	return fmt.Sprintf("epoch %d is not obeyed any more: epoch %d has been here", e.Epoch, e.Owner)
}

// GapError says that a renewal does not go on from what the worker has.
type GapError struct{ Granted, Changes int64 }

// Error names what the worker has.
func (e *GapError) Error() string {
	return fmt.Sprintf("the renewal begins beyond what this worker has, which is %d slots granted and %d changes; send what is between", e.Granted, e.Changes)
}

// Bounds of what a lease keeps in memory. Each is far beyond what a coordinator says: it grants a few times a second for 24 h at most,
// and grants that go on from one another are one.
const (
	maxPieces  = 64 << 10 // grants that do not go on from one another, 40 bytes each
	maxPending = 1000     // changes whose time has not come
	maxGranted = 1 << 60  // slots; sums of a few such numbers do not overflow
)

// BeyondError says that a lease would have more than it may. The renewal changed nothing.
type BeyondError struct {
	Field string // of the renewal
	What  string
	Cap   int64
}

// Error names the bound.
func (e *BeyondError) Error() string {
	return fmt.Sprintf("the lease would have more than %d %s with these; grant less", e.Cap, e.What)
}

// Change is a change of the shard's concurrency.
type Change struct {
	Offset      time.Duration // from the run's start
	Concurrency int64
}

// Renewal is what a coordinator says when it renews a lease.
type Renewal struct {
	Epoch         int64
	GrantedBefore int64
	Grants        schedule.Grants // each with an end
	LastGrant     bool
	ChangesBefore int64
	Changes       []Change
	Start         time.Time // the run's start; zero: not said
	Stop          bool
}

// Effects is how a lease reaches who carries it out. They are called one at a time, in the order of what they say.
type Effects struct {
	// Begin is called once, when the lease has a start and grants or knows that it will have none.
	Begin func(start time.Time)
	// Change is called for each change, at its time or when it comes, if that is later; maybe before Begin.
	Change func(concurrency int64)
	// End is called when no slot may be begun any more; cause is ErrStopped or ErrExpired. After ErrExpired it may be called once
	// more, with ErrStopped: what is in flight is to end too.
	End func(cause error)
}

// Lease is what a worker knows of one lease. It is safe for concurrent use.
//
// It ends for good when it is stopped, and when it has not been renewed for its duration: nothing makes it go on then.
type Lease struct {
	ID       string
	Slots    *Slots // nil when the shard is over; guarded by mu
	duration time.Duration
	effects  Effects
	born     time.Time    // from which until counts
	until    atomic.Int64 // nanoseconds after born until which slots may be begun; negative: not any more

	mu       sync.Mutex
	epoch    int64       // guarded by mu, like what follows
	timer    *time.Timer // of the end
	start    time.Time
	begun    bool
	draining bool
	ended    bool
	stopped  bool
	over     bool
	last     Position // when it was over
	changes  int64
	pending  []Change    // those whose time has not come, in its order
	changer  *time.Timer // of the first of them
}

// New makes a lease that ends after its duration unless it is renewed.
func New(id string, epoch int64, duration time.Duration, slots *Slots, effects Effects) *Lease {
	l := &Lease{ID: id, Slots: slots, duration: duration, effects: effects, born: time.Now(), epoch: epoch}
	l.until.Store(int64(duration))
	l.mu.Lock() // for the timers' goroutines
	defer l.mu.Unlock()
	l.changer = time.AfterFunc(duration, l.change)
	l.changer.Stop()
	l.timer = time.AfterFunc(duration, l.expire)
	return l
}

// Held reports whether a slot that was begun may still be sent: it is asked right before each write. It may until the lease was not
// renewed for its duration.
func (l *Lease) Held() bool {
	if int64(time.Since(l.born)) <= l.until.Load() {
		return true
	}
	l.expire()
	return false
}

// expire ends the lease if its time is over, which somebody may just have prolonged.
func (l *Lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if left := l.until.Load() - int64(time.Since(l.born)); left >= 0 && !l.ended {
		l.timer.Reset(time.Duration(left) + 1)
		return
	}
	l.endLocked(ErrExpired)
}

func (l *Lease) endLocked(cause error) {
	if l.ended {
		return
	}
	l.ended = true
	if cause == ErrExpired {
		l.until.Store(-1)
	} else {
		l.until.Store(math.MaxInt64) // what has been begun may still be sent, as long as the stop leaves it time
	}
	l.timer.Stop()
	l.changer.Stop()
	l.effects.End(cause)
}

// Attach notes that an epoch listens. It fails with *FencedError.
func (l *Lease) Attach(epoch int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.obeyLocked(epoch)
}

func (l *Lease) obeyLocked(epoch int64) error {
	if epoch < l.epoch {
		return &FencedError{epoch, l.epoch}
	}
	l.epoch = epoch
	return nil
}

// Renew takes a renewal. It fails with *FencedError, *GapError or *BeyondError; what it says of a stop counts nevertheless in the last
// two cases.
func (l *Lease) Renew(r Renewal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.obeyLocked(r.Epoch); err != nil {
		return err
	}
	if l.over {
		return nil
	}
	if r.Stop {
		l.stopLocked()
	}
	if !l.ended && int64(time.Since(l.born)) > l.until.Load() {
		l.endLocked(ErrExpired)
	}
	if r.ChangesBefore > l.changes || r.GrantedBefore > l.Slots.Granted() {
		return &GapError{l.Slots.Granted(), l.changes}
	}
	if l.ended {
		return nil
	}
	fresh, final := l.freshLocked(r)
	if err := l.boundLocked(r, fresh); err != nil {
		return err
	}
	l.until.Store(int64(time.Since(l.born) + l.duration))
	l.timer.Reset(l.duration + 1)
	if l.start.IsZero() {
		l.start = r.Start
	}
	l.changeLocked(r)
	l.Slots.extend(fresh, final)
	if !l.begun && !l.start.IsZero() && (l.Slots.Granted() > 0 || l.Slots.Final()) {
		l.begun = true
		l.effects.Begin(l.start)
	}
	return nil
}

// changeLocked takes the changes that are new, each at its time. A later one takes the place of those that are due no earlier.
func (l *Lease) changeLocked(r Renewal) {
	for i, change := range r.Changes {
		if r.ChangesBefore+int64(i) < l.changes {
			continue
		}
		l.changes++
		n := len(l.pending)
		for n > 0 && l.pending[n-1].Offset >= change.Offset {
			n--
		}
		l.pending = append(l.pending[:n], change)
		l.applyLocked()
	}
}

// change makes the changes whose time has come.
func (l *Lease) change() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		l.applyLocked()
	}
}

func (l *Lease) applyLocked() {
	for ; len(l.pending) > 0; l.pending = l.pending[1:] {
		if !l.start.IsZero() {
			if wait := time.Until(l.start.Add(l.pending[0].Offset)); wait > 0 {
				l.changer.Reset(wait)
				return
			}
		}
		l.effects.Change(l.pending[0].Concurrency)
	}
}

// freshLocked is the grants that are new, and whether no others follow. A worker that shuts down takes them too: they were stored
// before its coordinator could know.
func (l *Lease) freshLocked(r Renewal) (fresh schedule.Grants, final bool) {
	known := l.Slots.Granted() - r.GrantedBefore
	for _, g := range r.Grants {
		if known >= g.Count {
			known -= g.Count
			continue
		}
		fresh = append(fresh, g.Rest(known))
		known = 0
	}
	// A list that ends before what is known is an old one; what it says of its end is old too.
	return fresh, r.LastGrant && known == 0
}

// boundLocked checks that the lease stays within its bounds with what is new.
func (l *Lease) boundLocked(r Renewal, fresh schedule.Grants) error {
	switch {
	case l.Slots.pieces()+len(fresh) > maxPieces:
		return &BeyondError{"grants", "grants that do not go on from one another", maxPieces}
	case fresh.Len() > maxGranted-l.Slots.Granted():
		return &BeyondError{"grants", "slots", maxGranted}
	case int64(len(l.pending))+max(r.ChangesBefore+int64(len(r.Changes))-l.changes, 0) > maxPending:
		return &BeyondError{"changes", "changes whose time has not come", maxPending}
	}
	return nil
}

// Stop ends the lease as a renewal with a stop does.
func (l *Lease) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.stopLocked()
	}
}

func (l *Lease) stopLocked() {
	if l.stopped {
		return
	}
	l.stopped = true
	if l.ended {
		l.effects.End(ErrStopped)
	}
	l.endLocked(ErrStopped)
}

// Drain notes that the worker shuts down: whoever renews the lease hears so, grants no more, and says so with its last grant.
func (l *Lease) Drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
}

// Finish notes that the shard is over: what is renewed now changes nothing, and the counters are not read any more.
func (l *Lease) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.last, l.over = l.positionLocked(), true
	l.effects, l.pending, l.Slots = Effects{}, nil, nil // a lease that is over is kept for an hour
	l.until.Store(-1)
	l.timer.Stop()
	l.changer.Stop()
}

// Position is where a lease is.
type Position struct {
	Started bool          // the run's start is known
	Offset  time.Duration // from the run's start
	Granted int64
	Claimed int64
	Changes int64
	State   State
}

// Position is where the lease is now.
func (l *Lease) Position() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.positionLocked()
}

func (l *Lease) positionLocked() Position {
	p := l.last
	if !l.over {
		p = Position{Granted: l.Slots.Granted(), Claimed: l.Slots.Claimed(), Changes: l.changes, State: Active}
	}
	if p.Started = !l.start.IsZero(); p.Started {
		p.Offset = time.Since(l.start)
	}
	switch {
	case l.ended:
		p.State = Ended
	case l.draining:
		p.State = Draining
	}
	return p
}
