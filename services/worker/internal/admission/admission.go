// Package admission decides what a worker takes on: what is beyond a cap is refused for good, what there is no room for just
// now is refused with a time to come back.
package admission

import (
	"fmt"
	"sync"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Full says that there is no room just now.
type Full struct {
	What string // what there is none of
	Name string // of the cap, in fanout.v1.Caps
	Cap  int64
	Used int64
	Want int64
}

// Error names what is used up, and the cap.
func (e *Full) Error() string {
	return fmt.Sprintf("the worker is full: %d of %d %s (%s) are taken, this call needs %d; try again later, or on another worker",
		e.Used, e.Cap, e.What, e.Name, e.Want)
}

// Beyond says that a request is beyond a cap.
type Beyond struct {
	Field string
	Value int64
	Cap   int64
	What  string // what the cap bounds
	Name  string // of the cap, in fanout.v1.Caps
}

// Need is what a call takes room for.
type Need struct {
	Senders int64
	Bytes   int64 // of memory, its senders' included
}

// Room is what a worker process has left. It is safe for concurrent use.
type Room struct {
	caps plan.Caps

	mu      sync.Mutex
	calls   int64 // guarded by mu, like what follows
	senders int64
	memory  memory
}

// NewRoom is an empty worker's room.
func NewRoom(caps plan.Caps) *Room { return &Room{caps: caps, memory: newMemory(caps.Memory)} }

// Concurrency is the most senders that a call may come to have: those that its shard asks for (0: no shard, or it does not
// say), else those of its plan, else in an open loop the cap, else as many as slots.
func Concurrency(p *plan.Plan, shard bool, asked, slots int64, caps plan.Caps) (int64, *Beyond) {
	field, n := "shard.concurrency", asked
	switch load := p.Load; {
	case asked > 0:
	case load.ClosedLoop != nil:
		field, n = "plan.load.closed_loop.concurrency", load.ClosedLoop.Concurrency
	case load.OpenLoop != nil && (shard || load.OpenLoop.MaxConcurrency == 0):
		n = caps.Senders
	case load.OpenLoop != nil:
		field, n = "plan.load.open_loop.max_concurrency", load.OpenLoop.MaxConcurrency
	default:
		field, n = "plan.load.requests", slots
	}
	if n > caps.Senders {
		return 0, &Beyond{Field: field, Value: n, Cap: caps.Senders, What: "senders", Name: "max_sender_count"}
	}
	return n, nil
}

// Take takes room for a call: of an open loop, whose senders come as they are needed, for its first; of any other for all its
// senders. The caller gives it back with Leave. It fails with *Full or *Scarce.
func (r *Room) Take(n Need) error {
	collect, err := r.take(n)
	if collect {
		r.memory.collect()
		_, err = r.take(n)
	}
	return err
}

// take is Take, but for collecting garbage, which the caller does if it is told to; then it may try once more.
func (r *Room) take(n Need) (collect bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls >= r.caps.Calls {
		return false, &Full{What: "calls", Name: "max_call_count", Cap: r.caps.Calls, Used: r.calls, Want: 1}
	}
	if r.senders+n.Senders > r.caps.Senders {
		return false, &Full{What: "senders", Name: "max_sender_count", Cap: r.caps.Senders, Used: r.senders, Want: n.Senders}
	}
	idle := r.calls == 0
	if err := r.memory.take(n.Bytes, idle); err != nil {
		return r.memory.mayCollect(n.Bytes, idle), err
	}
	r.calls++
	r.senders += n.Senders
	return false, nil
}

// Leave gives back what Take took.
func (r *Room) Leave(n Need) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
	r.senders -= n.Senders
	r.memory.leave(n.Bytes)
}

// TakeSender takes room for one more sender and so many bytes of memory, if there is any.
func (r *Room) TakeSender(bytes int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.senders >= r.caps.Senders || r.memory.take(bytes, false) != nil {
		return false
	}
	r.senders++
	return true
}

// LeaveSender gives back what TakeSender took.
func (r *Room) LeaveSender(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.senders--
	r.memory.leave(bytes)
}

// Calls is the number of calls that are running.
func (r *Room) Calls() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

// Senders is the number of senders that are taken.
func (r *Room) Senders() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.senders
}
