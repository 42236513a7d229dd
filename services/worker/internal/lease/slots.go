// Package lease is a worker's side of the leases under which it carries out shards: which slots it was granted and how many of
// them it has begun, until when it may begin others, and who may tell it so. It knows no gRPC, no HTTP and no outcome.
package lease

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// Slots is the slots that a call may start: all of them from the beginning, or as grants bring them. It is safe for concurrent
// use; senders share one atomic add.
type Slots struct {
	claimed *atomic.Int64 // ordinals taken; passes what is granted by the senders that wait
	granted *atomic.Int64 // for who reads the claim counter after this process
	endless bool          // slots are granted as long as time allows
	now     atomic.Pointer[allotment]

	mu      sync.Mutex // held by who changes now, and by who waits
	left    bool       // somebody gave up waiting
	waiting int
	since   time.Time     // since when somebody waits
	waited  time.Duration // in which somebody waited, before since
	from    time.Time     // waits before it do not count
}

// allotment is what has been granted so far. It does not change; the next one shares its pieces.
type allotment struct {
	pieces []piece // all but the last
	last   piece
	count  int64
	final  bool
	more   chan struct{} // closed when another takes its place
}

// piece is a grant, and how many slots were granted before it.
type piece struct {
	before int64
	schedule.Grant
}

// Fixed is slots that are all granted.
func Fixed(grants schedule.Grants) *Slots {
	s := newSlots(new(atomic.Int64), new(atomic.Int64), grants.Len() == schedule.Unbounded)
	s.extend(grants, true)
	return s
}

// Growing is slots that renewals bring. Of a run that is endless only time ends them. The counters are kept elsewhere: the
// ordinals that were claimed, which may pass those that were granted, and the slots that were granted.
func Growing(claimed, granted *atomic.Int64, endless bool) *Slots {
	return newSlots(claimed, granted, endless)
}

func newSlots(claimed, granted *atomic.Int64, endless bool) *Slots {
	s := &Slots{claimed: claimed, granted: granted, endless: endless}
	s.now.Store(&allotment{more: make(chan struct{})})
	return s
}

// Claim takes the next slot, and waits for one to be granted, which it reports. It returns false when none will be, or when done is
// closed first; then no grant is taken any more. All senders have the same done.
func (s *Slots) Claim(done <-chan struct{}) (slot int64, waited, ok bool) {
	ordinal := s.claimed.Add(1) - 1
	a := s.now.Load()
	if ordinal >= a.count {
		waited = true
		if a = s.await(ordinal, done); a == nil {
			return 0, waited, false
		}
	}
	return a.slot(ordinal), waited, true
}

// await waits until the slot with the ordinal is granted; nil: it will not be.
func (s *Slots) await(ordinal int64, done <-chan struct{}) *allotment {
	a := s.now.Load()
	for waits := false; ; a = s.now.Load() {
		if ordinal < a.count || a.final {
			break
		}
		if !waits {
			waits = true
			s.wait(1)
			defer s.wait(-1)
		}
		select {
		case <-a.more:
		case <-done:
			return s.giveUp(ordinal)
		}
	}
	if ordinal < a.count {
		return a
	}
	return nil
}

// giveUp is the end of a wait without a grant. What was granted at the same moment is claimed all the same; otherwise no grant is taken
// any more: the ordinal would be nobody's.
func (s *Slots) giveUp(ordinal int64) *allotment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.now.Load(); ordinal < a.count {
		return a
	}
	s.left = true
	return nil
}

// wait accounts for one more or one less who waits.
func (s *Slots) wait(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.waiting > 0 {
		s.waited += s.countedLocked(now)
	}
	s.waiting += n
	s.since = now
}

func (s *Slots) countedLocked(now time.Time) time.Duration {
	since := s.since
	if since.Before(s.from) {
		since = s.from
	}
	return max(now.Sub(since), 0)
}

// CountWaitsFrom says that waits before the moment do not count.
func (s *Slots) CountWaitsFrom(from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = from
}

// Waited is the time in which at least one sender waited for a grant.
func (s *Slots) Waited() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting > 0 {
		return s.waited + s.countedLocked(time.Now())
	}
	return s.waited
}

// extend adds grants after those that there are; final: no others follow. It does nothing once somebody gave up waiting.
func (s *Slots) extend(grants schedule.Grants, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.now.Load()
	if old.final || s.left || len(grants) == 0 && !final {
		return
	}
	next := &allotment{pieces: old.pieces, last: old.last, count: old.count, final: final, more: make(chan struct{})}
	for _, g := range grants {
		next.add(g)
	}
	if next.count > old.count {
		s.granted.Store(next.count) // first: who reads the counters of a dead process must not miss a slot
	}
	s.now.Store(next)
	close(old.more)
}

// add adds one grant. Where the pieces have room, it writes behind those that an older allotment reads.
func (a *allotment) add(g schedule.Grant) {
	if g.Count == 0 {
		a.push(g)
		a.count = schedule.Unbounded
		return
	}
	if a.count > 0 {
		if joined, ok := a.last.Join(g); ok {
			a.last.Grant = joined
			a.count += g.Count
			return
		}
	}
	a.push(g)
	a.count += g.Count
}

func (a *allotment) push(g schedule.Grant) {
	if a.count > 0 {
		a.pieces = append(a.pieces, a.last)
	}
	a.last = piece{before: a.count, Grant: g}
}

// slot is the slot with the ordinal, which is less than count. Claims are about the newest grants.
func (a *allotment) slot(ordinal int64) int64 {
	if ordinal >= a.last.before {
		return a.last.First + (ordinal-a.last.before)*a.last.Stride
	}
	low, high := 0, len(a.pieces) // the piece is in low … high-1
	for high-low > 1 {
		if middle := (low + high) / 2; a.pieces[middle].before <= ordinal {
			low = middle
		} else {
			high = middle
		}
	}
	p := &a.pieces[low]
	return p.First + (ordinal-p.before)*p.Stride
}

// Slot is the slot with the ordinal, of those that are granted.
func (s *Slots) Slot(ordinal int64) int64 { return s.now.Load().slot(ordinal) }

// Granted is how many slots are granted: schedule.Unbounded without end.
func (s *Slots) Granted() int64 { return s.now.Load().count }

// pieces is how many grants are kept.
func (s *Slots) pieces() int { return len(s.now.Load().pieces) + 1 }

// Claimed is how many of the granted slots senders have claimed.
func (s *Slots) Claimed() int64 { return min(s.claimed.Load(), s.Granted()) }

// ClaimUpTo claims, for whoever calls it, all slots before the ordinal. No sender claims any more.
func (s *Slots) ClaimUpTo(ordinal int64) { s.claimed.Store(ordinal) }

// Stride is the distance between the slots that were granted last, at least 1.
func (s *Slots) Stride() int64 { return max(s.now.Load().last.Stride, 1) }

// Endless reports whether only time ends the slots: those that nobody claimed are none then.
func (s *Slots) Endless() bool { return s.endless }

// Final reports whether no grant will follow.
func (s *Slots) Final() bool { return s.now.Load().final }
