package account

import (
	"fmt"
	"math"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// seconds is the figures of a shard by the second.
//
// A tally has every second that may still change, whole, and one at least once the run has begun. It has those that are complete too,
// until somebody has acknowledged them.
type seconds struct {
	open   map[int64]*tally.Tally // seconds that may still change, as the newest tally has them
	over   map[int64]*tally.Tally
	first  int64 // seconds before it are complete
	closed int64 // outcomes in the seconds that are complete
}

// maxSecond bounds the seconds that are believed: a load, its grace and a timeout take 24 h each at most.
const maxSecond = 3 * 24 * 3600

// of is the second in which an outcome counts.
func (s *seconds) of(o *outcome.Outcome) int64 {
	return min(max(o.Second(), s.first), maxSecond)
}

// replace takes the seconds of a new tally, which has in them the outcomes that came since the one before. A worker whose sender
// stood still with an outcome of a second that is complete counts it in a later one; so nothing is said of a second that misses an
// outcome, but of the sum of all, at the end.
func (s *seconds) replace(said []tally.Second) error {
	open := make(map[int64]*tally.Tally, len(said))
	first, complete := int64(math.MaxInt64), int64(0)
	for _, second := range said {
		if second.Second > maxSecond {
			return fmt.Errorf("second %d is beyond any run's end", second.Second)
		}
		if second.Second < s.first {
			continue // it is complete, and known
		}
		t, err := second.Tally.Tally()
		if err != nil {
			return fmt.Errorf("second %d is malformed: %w", second.Second, err)
		}
		if second.Complete {
			s.close(second.Second, t)
			delete(s.open, second.Second)
			complete = max(complete, second.Second+1)
			continue
		}
		open[second.Second] = t
		first = min(first, second.Second)
	}
	for second, t := range s.open {
		if open[second] == nil {
			s.close(second, t) // the worker sends it no more
		}
	}
	s.open = open
	if first == math.MaxInt64 {
		first = complete
	}
	s.first = max(s.first, first)
	return nil
}

// end makes every second final. tail is the outcomes since the last tally.
func (s *seconds) end(tail *tally.Cells) {
	for second, t := range s.open {
		s.close(second, t)
	}
	for _, second := range tail.Seconds() {
		s.close(second, tail.Cell(second).Clone())
	}
	s.open, s.first = nil, math.MaxInt64
}

// close adds to a second that is over. t is given away.
func (s *seconds) close(second int64, t *tally.Tally) {
	if s.over == nil {
		s.over = make(map[int64]*tally.Tally)
	}
	s.closed += t.Counts.Settled()
	if s.over[second] == nil {
		s.over[second] = t
		return
	}
	s.over[second].Merge(t)
}

// TakeSeconds gives away the figures of the seconds that are complete and have not been taken yet, and says before which second no
// other will come.
func (a *Account) TakeSeconds() (over map[int64]*tally.Tally, before int64) {
	over, a.seconds.over = a.seconds.over, nil
	return over, a.seconds.first
}
