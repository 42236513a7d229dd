package runs

import (
	"math"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// series is a run's figures by the second. A second is complete when no shard will add to it; then its histograms are reduced
// to their figures, so that a day's run takes tens of megabytes and not gigabytes. It is safe for concurrent use.
type series struct {
	slots *schedule.Schedule

	mu       sync.Mutex
	open     map[int64]*tally.Tally // guarded by mu
	before   []int64                // by shard: no second before it will come; guarded by mu
	complete []run.Interval         // guarded by mu
}

func newSeries(slots *schedule.Schedule, shards int) *series {
	return &series{slots: slots, open: make(map[int64]*tally.Tally), before: make([]int64, shards)}
}

// add takes seconds of a shard that are over, which are given away, and before which second no other of it will come.
func (s *series) add(shard int, over map[int64]*tally.Tally, before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for second, t := range over {
		if s.open[second] == nil {
			s.open[second] = t
			continue
		}
		s.open[second].Merge(t)
	}
	s.before[shard] = before
	s.close()
}

// close completes the seconds that no shard will add to. The lock is held.
func (s *series) close() {
	end := int64(math.MaxInt64)
	for _, before := range s.before {
		end = min(end, before)
	}
	if end == math.MaxInt64 { // every shard has ended
		end = 0
		for second := range s.open {
			end = max(end, second+1)
		}
	}
	for second := int64(len(s.complete)); second < end; second++ {
		t := s.open[second]
		if t == nil {
			t = new(tally.Tally)
		}
		delete(s.open, second)
		s.complete = append(s.complete, run.Interval{Second: second, Tally: t.Snapshot(false), PlannedRate: s.rate(second)})
	}
}

// rate is the slots due in a second.
func (s *series) rate(second int64) float64 {
	if !s.slots.Open() {
		return 0
	}
	due := func(second int64) int64 {
		return min(s.slots.DueBefore(time.Duration(second)*time.Second), s.slots.Slots())
	}
	return float64(due(second+1) - due(second))
}

// page is at most n complete seconds from the given one on, and whether there are more.
func (s *series) page(from int64, n int) (page []run.Interval, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from >= int64(len(s.complete)) {
		return nil, false
	}
	rest := s.complete[from:]
	if len(rest) > n {
		return rest[:n:n], true
	}
	return rest[:len(rest):len(rest)], false
}
