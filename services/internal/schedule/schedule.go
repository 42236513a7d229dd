// Package schedule is the pure function from a slot to its due time and to its request, and from a time to the slots due.
// It has no clock and no goroutine: every worker of a run computes the same answers.
package schedule

import (
	"math"
	"sort"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Unbounded is the number of slots of a closed loop that a duration alone ends.
const Unbounded = math.MaxInt64

// Schedule is the schedule of one plan. It is immutable and safe for concurrent use.
type Schedule struct {
	slots int64
	rate  float64 // slots per second; 0: not an open loop
	mix   mix
}

// New makes the plan's schedule.
func New(p *plan.Plan) *Schedule {
	s := &Schedule{mix: newMix(p)}
	if open := p.Load.OpenLoop; open != nil {
		s.rate = open.Stages[0].Rate
	}
	s.slots = s.count(p)
	return s
}

func (s *Schedule) count(p *plan.Plan) int64 {
	if p.Load.Once() {
		return int64(len(p.Requests))
	}
	n := int64(Unbounded)
	if p.Load.Requests > 0 {
		n = p.Load.Requests
	}
	if open := p.Load.OpenLoop; open != nil {
		for _, end := range []time.Duration{p.Load.Duration, open.Stages[0].Duration} {
			if end > 0 {
				n = min(n, s.DueBefore(end))
			}
		}
	}
	return n
}

// Slots is the number of slots N, or Unbounded.
func (s *Schedule) Slots() int64 { return s.slots }

// Due is when slot i is due, as an offset from the run's start: where the integral of the rate reaches i. Slots of a
// closed loop and slots all at once are due at 0, which for a closed loop means: as soon as a sender is free.
//
// It is computed from i alone, so no error accumulates: two float64 roundings of a value below 2^47 ns (24 h) are less
// than a tenth of a nanosecond.
func (s *Schedule) Due(i int64) time.Duration {
	if s.rate == 0 {
		return 0
	}
	ns := float64(i) / s.rate * 1e9
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}

// DueBefore is the number of slots due before the offset t: the inverse of Due. It does not stop at Slots.
func (s *Schedule) DueBefore(t time.Duration) int64 {
	if s.rate == 0 {
		return s.slots
	}
	if t <= 0 {
		return 0
	}
	// The estimate is off by a rounding at most; the search around it makes the two functions agree to the nanosecond.
	estimate := t.Seconds() * s.rate
	if estimate >= math.MaxInt64/2 {
		return math.MaxInt64
	}
	low := max(int64(estimate)-2, 0)
	return low + int64(sort.Search(5, func(k int) bool { return s.Due(low+int64(k)) >= t }))
}

// Rate is the planned rate at the offset t from the run's start, in slots per second; 0 without a rate, and after the last
// slot.
func (s *Schedule) Rate(t time.Duration) float64 {
	if s.rate == 0 || s.Due(s.slots) <= t {
		return 0
	}
	return s.rate
}

// Request is the index of slot i's request in the plan.
func (s *Schedule) Request(i int64) int { return s.mix.request(i) }
