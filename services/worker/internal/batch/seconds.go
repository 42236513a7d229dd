package batch

import (
	"maps"
	"slices"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// seconds is the figures of a call by the second in which an outcome came about.
//
// A second is sent whole in each tally until it is over for good, and then dropped for good. It is over for good when a
// tally has gone out after a moment at which the second had ended, no sender was between the end of a slot and its delivery,
// and after which the queue was emptied: an outcome that comes later is then of a later second, however long the stream or
// the process stood still.
type seconds struct {
	cells    map[int64]*tally.Tally
	complete int64 // all outcomes of the seconds before it are in the cells
}

// observe is called before the queue is emptied, with the time since the run's start.
func (s *seconds) observe(now time.Duration, finishing bool) {
	if !finishing {
		s.complete = int64(max(now, 0) / time.Second)
	}
}

func (s *seconds) add(o *outcome.Outcome) {
	if o.NotSent == outcome.Sent {
		s.cell(o.Second()).Add(o, "")
	}
}

func (s *seconds) cell(second int64) *tally.Tally {
	c := s.cells[second]
	if c == nil {
		if s.cells == nil {
			s.cells = make(map[int64]*tally.Tally)
		}
		c = new(tally.Tally)
		s.cells[second] = c
	}
	return c
}

// snapshot is the seconds that are not over for good, with the one that now is in.
func (s *seconds) snapshot(now time.Duration) []tally.Second {
	if now >= 0 {
		s.cell(int64(now / time.Second))
	}
	var all []tally.Second
	for _, second := range slices.Sorted(maps.Keys(s.cells)) {
		all = append(all, tally.Second{Second: second, Tally: s.cells[second].Snapshot(true)})
	}
	return all
}

// drop forgets the seconds that are over for good. It is called after a tally that had them went out.
func (s *seconds) drop() {
	maps.DeleteFunc(s.cells, func(second int64, _ *tally.Tally) bool { return second < s.complete })
}
