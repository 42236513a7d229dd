package account

import (
	"fmt"
	"math"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// seconds is the figures of a shard by the second.
//
// A tally has every second that may still change, whole, and one at least once the run has begun. So a second that it no
// longer has is over for good, and so is every second before its first.
type seconds struct {
	open  map[int64]*cell // seconds that may still change
	over  map[int64]*tally.Tally
	first int64 // seconds before it are over
}

// cell is a second: what the newest tally says of it, and the outcomes since.
type cell struct{ base, tail *tally.Tally }

// maxSecond bounds the seconds that are believed: a load, its grace and a timeout take 24 h each at most.
const maxSecond = 3 * 24 * 3600

func (s *seconds) add(o *outcome.Outcome) {
	if o.NotSent != outcome.Sent {
		return
	}
	if s.open == nil {
		s.open = make(map[int64]*cell)
	}
	second := min(o.Second(), maxSecond)
	c := s.open[second]
	if c == nil {
		c = &cell{base: new(tally.Tally), tail: new(tally.Tally)}
		s.open[second] = c
	}
	c.tail.Add(o, "")
}

// replace takes the seconds of a new tally.
func (s *seconds) replace(said []tally.Second) error {
	open := make(map[int64]*cell, len(said))
	first := int64(math.MaxInt64)
	for _, second := range said {
		if second.Second < s.first || second.Second > maxSecond {
			return fmt.Errorf("second %d is not one that can still change", second.Second)
		}
		t, err := second.Tally.Tally()
		if err != nil {
			return fmt.Errorf("second %d is malformed: %w", second.Second, err)
		}
		open[second.Second] = &cell{base: t, tail: new(tally.Tally)}
		first = min(first, second.Second)
	}
	var missing error
	for second, c := range s.open {
		if open[second] != nil {
			continue
		}
		if c.tail.Counts.Settled() > 0 {
			missing = fmt.Errorf("second %d has outcomes since the last tally, and is missing", second)
		}
		s.close(second, c)
	}
	s.open = open
	if first != math.MaxInt64 {
		s.first = max(s.first, first)
	}
	return missing
}

// end makes every second final.
func (s *seconds) end() {
	for second, c := range s.open {
		s.close(second, c)
	}
	s.open, s.first = nil, math.MaxInt64
}

func (s *seconds) close(second int64, c *cell) {
	if s.over == nil {
		s.over = make(map[int64]*tally.Tally)
	}
	c.base.Merge(c.tail)
	s.over[second] = c.base
}

// TakeSeconds gives away the figures of the seconds that are over for good and have not been taken yet, and says before which
// second no other will come.
func (a *Account) TakeSeconds() (over map[int64]*tally.Tally, before int64) {
	over, a.seconds.over = a.seconds.over, nil
	return over, a.seconds.first
}
