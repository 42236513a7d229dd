// Package schedule is the pure function from a slot to its due time and to its request, and from a time to the slots due.
// It has no clock and no goroutine: every worker of a run computes the same answers, to the bit.
package schedule

import (
	"math"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Unbounded is the number of slots of a closed loop that a duration alone ends.
const Unbounded = math.MaxInt64

// Schedule is the schedule of one plan. What it answers never changes, and it is safe for concurrent use.
type Schedule struct {
	slots int64
	mix   mix

	// Of an open loop. Slot i is due where the integral of the rate reaches u(i).
	open    bool
	end     time.Duration // of the load; never: only the number of slots ends it
	line    timeline
	poisson *poisson // nil: u(i) = i
}

// New makes the plan's schedule.
func New(p *plan.Plan) *Schedule {
	s := &Schedule{mix: newMix(p)}
	s.open = p.Load.OpenLoop != nil
	if s.open {
		s.pace(p.Load)
	}
	switch {
	case p.Load.Once():
		s.slots = int64(len(p.Requests))
	case p.Load.Requests > 0:
		s.slots = min(p.Load.Requests, s.dueInTime())
	default:
		s.slots = s.dueInTime()
	}
	return s
}

// DueInTime is the number of slots that fall due before the load's own end, whatever its number of requests. It is Unbounded
// where time does not end it.
func DueInTime(load plan.Load) int64 {
	s := &Schedule{open: load.OpenLoop != nil}
	if s.open {
		s.pace(load)
	}
	return s.dueInTime()
}

func (s *Schedule) pace(load plan.Load) {
	s.line, s.end = newTimeline(load), never
	if end := load.End(); end > 0 {
		s.end = end
	}
	if random := load.OpenLoop.Poisson; random != nil {
		s.poisson = newPoisson(random.Seed)
	}
}

func (s *Schedule) dueInTime() int64 {
	if !s.open || s.end == never {
		return Unbounded
	}
	return s.DueBefore(s.end)
}

// Slots is the number of slots N, or Unbounded.
func (s *Schedule) Slots() int64 { return s.slots }

// Open reports whether slots are due at times of their own: in an open loop.
func (s *Schedule) Open() bool { return s.open }

// Due is when slot i is due, as an offset from the run's start: the nearest nanosecond to where the integral of the rate
// passes u(i), which is i, or the i-th point of the Poisson process. Slots of a closed loop and slots all at once are due at
// 0, which for a closed loop means: as soon as a sender is free.
//
// It is computed from i alone, so no error accumulates. It never goes back when i goes on. A slot that no stage reaches has
// the greatest Duration.
func (s *Schedule) Due(i int64) time.Duration {
	switch {
	case !s.open:
		return 0
	case s.poisson == nil:
		return s.line.due(point{whole: i})
	}
	p, ok := s.poisson.at(i)
	if !ok {
		return never
	}
	return s.line.due(p)
}

// DueBefore is the number of slots due before the offset t: the inverse of Due, to the nanosecond. It does not stop at Slots.
// Without an open loop it is all slots.
func (s *Schedule) DueBefore(t time.Duration) int64 {
	if !s.open {
		return s.slots
	}
	if t <= 0 {
		return 0
	}
	// The integral is off by a rounding, and with POISSON by about its own root; the search from there makes it exact.
	about := s.line.integral(t)
	if !(about < math.MaxInt64/2) {
		return math.MaxInt64
	}
	return s.searchDue(int64(about), t)
}

// searchDue is the first slot that is due at t or later: around a guess in steps that double, then by halves.
func (s *Schedule) searchDue(guess int64, t time.Duration) int64 {
	low, high := guess, guess // slots before low are due before t, slot high is not
	if s.Due(guess) < t {
		for step := int64(1); s.Due(high) < t; step *= 2 {
			low, high = high+1, high+step
		}
	} else {
		for step := int64(1); low > 0 && s.Due(low-1) >= t; step *= 2 {
			high, low = low-1, max(low-step, 0)
		}
	}
	for low < high {
		if middle := low + (high-low)/2; s.Due(middle) < t {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// Rate is the planned rate at the offset t from the run's start, in slots per second; 0 without an open loop, after the
// load's end, and after the last slot.
func (s *Schedule) Rate(t time.Duration) float64 {
	if !s.open || t >= s.end || s.Due(s.slots) <= t {
		return 0
	}
	return s.line.rate(t)
}

// Request is the index of slot i's request in the plan.
func (s *Schedule) Request(i int64) int { return s.mix.request(i) }
