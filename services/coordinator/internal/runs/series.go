package runs

import (
	"math"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// series is a run's figures by the second, as far as they are not complete. A second is complete when no shard will add to it; then
// its histograms are reduced to their figures, and the store keeps it. The conductor alone uses it.
type series struct {
	open   map[int64]*tally.Tally
	before map[int]int64 // by shard that may still add: no second before it will come
	next   int64         // the seconds before it are complete
}

func newSeries() *series {
	return &series{open: make(map[int64]*tally.Tally), before: make(map[int]int64)}
}

// join says that a shard will add seconds.
func (s *series) join(shard int) { s.before[shard] = s.next }

// leave says that nobody waits for a shard any more. What it adds nevertheless counts in a second that is not complete.
func (s *series) leave(shard int) { delete(s.before, shard) }

// add takes a complete second of a shard, which is given away.
func (s *series) add(second int64, t *tally.Tally) {
	second = max(second, s.next)
	if s.open[second] == nil {
		s.open[second] = t
		return
	}
	s.open[second].Merge(t)
}

// advance says before which second no other of a shard will come.
func (s *series) advance(shard int, before int64) {
	if _, ok := s.before[shard]; ok {
		s.before[shard] = before
	}
}

// complete takes the seconds that no shard will add to; with end all that there are.
func (s *series) complete(end bool) ([]store.Interval, error) {
	until := int64(math.MaxInt64)
	for _, before := range s.before {
		until = min(until, before)
	}
	if end || until == math.MaxInt64 {
		until = s.next
		if end {
			for second := range s.open {
				until = max(until, second+1)
			}
		}
	}
	var rows []store.Interval
	for ; s.next < until; s.next++ {
		t := s.open[s.next]
		if t == nil {
			t = new(tally.Tally)
		}
		delete(s.open, s.next)
		encoded, err := wire.EncodeSnapshot(t.Snapshot(false))
		if err != nil {
			return rows, err
		}
		rows = append(rows, store.Interval{Second: s.next, Tally: encoded})
	}
	return rows, nil
}

// newInterval is a second that was stored.
func newInterval(row store.Interval, slots *schedule.Schedule) (run.Interval, error) {
	t, err := wire.DecodeSnapshot(row.Tally)
	if err != nil {
		return run.Interval{}, err
	}
	return run.Interval{Second: row.Second, Tally: t, PlannedRate: rate(slots, row.Second)}, nil
}

// rate is the slots due in a second.
func rate(slots *schedule.Schedule, second int64) float64 {
	if !slots.Open() {
		return 0
	}
	due := func(second int64) int64 {
		return min(slots.DueBefore(time.Duration(second)*time.Second), slots.Slots())
	}
	return float64(due(second+1) - due(second))
}
