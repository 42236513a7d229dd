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
	Cap  int64
	Used int64
	Want int64
}

// Error names what is used up, and the cap.
func (e *Full) Error() string {
	return fmt.Sprintf("the worker is full: %d of %d %s are taken, this call needs %d; try again later, or on another worker",
		e.Used, e.Cap, e.What, e.Want)
}

// Beyond says that a request is beyond a cap.
type Beyond struct {
	Field string
	Value int64
	Cap   int64
	What  string // what the cap bounds
}

// Room is what a worker process has left. It is safe for concurrent use.
type Room struct {
	caps plan.Caps

	mu      sync.Mutex
	calls   int64
	senders int64
}

// NewRoom is an empty worker's room.
func NewRoom(caps plan.Caps) *Room { return &Room{caps: caps} }

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
		return 0, &Beyond{Field: field, Value: n, Cap: caps.Senders, What: "senders"}
	}
	return n, nil
}

// Take takes room for a call: of an open loop, whose senders come as they are needed, for its first; of any other for all its
// senders. The caller gives it back with Leave.
func (r *Room) Take(senders int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls >= r.caps.Calls {
		return &Full{What: "calls", Cap: r.caps.Calls, Used: r.calls, Want: 1}
	}
	if r.senders+senders > r.caps.Senders {
		return &Full{What: "senders", Cap: r.caps.Senders, Used: r.senders, Want: senders}
	}
	r.calls++
	r.senders += senders
	return nil
}

// Leave gives back what Take took.
func (r *Room) Leave(senders int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls--
	r.senders -= senders
}

// TakeSender takes room for one more sender, if there is any.
func (r *Room) TakeSender() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.senders >= r.caps.Senders {
		return false
	}
	r.senders++
	return true
}

// LeaveSender gives back what TakeSender took.
func (r *Room) LeaveSender() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.senders--
}

// Calls is the number of calls that are running.
func (r *Room) Calls() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}
