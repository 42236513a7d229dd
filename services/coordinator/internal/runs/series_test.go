package runs

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// ended says that a shard adds nothing any more.
const ended = math.MaxInt64

// closedLoop is a schedule without a rate.
var closedLoop = schedule.New(&plan.Plan{
	Requests: []plan.Request{{Weight: 1}}, Load: plan.Load{Requests: 10, ClosedLoop: &plan.ClosedLoop{Concurrency: 1}},
})

// responses is a tally of so many responses.
func responses(n int) *tally.Tally {
	t := new(tally.Tally)
	for range n {
		t.Add(&outcome.Outcome{Status: 200, Service: time.Millisecond}, "")
	}
	return t
}

// kept is a series with what the store has of it.
type keptSeries struct {
	*series
	intervals []run.Interval
}

func newKeptSeries(shards int) *keptSeries {
	s := &keptSeries{series: newSeries()}
	for k := range shards {
		s.join(k)
	}
	return s
}

// take takes what one shard has, and keeps what is complete then.
func (s *keptSeries) take(t *testing.T, shard int, over map[int64]*tally.Tally, before int64) {
	t.Helper()
	for second, cell := range over {
		s.add(second, cell)
	}
	if before == ended {
		s.leave(shard)
	} else {
		s.advance(shard, before)
	}
	s.keep(t, false)
}

func (s *keptSeries) keep(t *testing.T, end bool) {
	t.Helper()
	rows, err := s.complete(end)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		interval, err := newInterval(row, closedLoop)
		if err != nil {
			t.Fatal(err)
		}
		s.intervals = append(s.intervals, interval)
	}
}

func (s *keptSeries) responses() (all []int64) {
	for _, interval := range s.intervals {
		all = append(all, interval.Tally.Counts.Responses)
	}
	return all
}

// A second is complete when no shard will add to it.
func TestSeriesCompletesSeconds(t *testing.T) {
	t.Parallel()
	type step struct {
		shard  int
		over   map[int64]*tally.Tally
		before int64
		want   []int64 // responses of the complete seconds, after the step
	}
	for _, tt := range []struct {
		name   string
		shards int
		steps  []step
		end    []int64 // responses of all seconds, after the end
	}{
		{"one shard", 1, []step{
			{0, map[int64]*tally.Tally{0: responses(3)}, 1, []int64{3}},
			{0, nil, 1, []int64{3}},
			{0, map[int64]*tally.Tally{1: responses(1), 2: responses(2)}, ended, []int64{3}},
		}, []int64{3, 1, 2}},
		{"the slowest shard decides", 2, []step{
			{0, map[int64]*tally.Tally{0: responses(1), 1: responses(1)}, 2, nil},
			{1, nil, 0, nil},
			{1, map[int64]*tally.Tally{0: responses(4)}, 1, []int64{5}},
			{1, nil, 2, []int64{5, 1}},
		}, []int64{5, 1}},
		{"a shard that has left does not count", 2, []step{
			{0, map[int64]*tally.Tally{0: responses(2), 3: responses(2)}, ended, nil},
			{1, map[int64]*tally.Tally{0: responses(1)}, 2, []int64{3, 0}},
			{1, map[int64]*tally.Tally{2: responses(1)}, ended, []int64{3, 0}},
		}, []int64{3, 0, 1, 2}},
		{"what comes after a second is complete counts in a later one", 2, []step{
			{0, nil, ended, nil},
			{1, map[int64]*tally.Tally{0: responses(1)}, 2, []int64{1, 0}},
			{0, map[int64]*tally.Tally{0: responses(5)}, ended, []int64{1, 0}},
			{1, map[int64]*tally.Tally{2: responses(1)}, 3, []int64{1, 0, 6}},
		}, []int64{1, 0, 6}},
		{"seconds without outcomes", 1, []step{
			{0, map[int64]*tally.Tally{2: responses(1)}, 4, []int64{0, 0, 1, 0}},
			{0, map[int64]*tally.Tally{5: responses(1)}, ended, []int64{0, 0, 1, 0}},
		}, []int64{0, 0, 1, 0, 0, 1}},
		{"no outcome at all", 2, []step{{0, nil, ended, nil}, {1, nil, ended, nil}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newKeptSeries(tt.shards)
			for i, step := range tt.steps {
				s.take(t, step.shard, step.over, step.before)
				if got := s.responses(); !reflect.DeepEqual(got, step.want) {
					t.Errorf("responses by second after step %d = %v, want %v", i, got, step.want)
				}
			}
			s.keep(t, true)
			if got := s.responses(); !reflect.DeepEqual(got, tt.end) {
				t.Errorf("responses by second at the end = %v, want %v", got, tt.end)
			}
		})
	}
}

// part is what is taken of a shard at once.
type part struct {
	over   map[int64]*tally.Tally
	before int64
}

// randomParts is a shard's way through some seconds: each is added once, when the shard has left it.
func randomParts(rng *rand.Rand, total map[int64]*tally.Tally) []part {
	var parts []part
	at, end := int64(0), rng.Int64N(12)
	for at < end {
		p := part{over: map[int64]*tally.Tally{}}
		for p.before = min(at+rng.Int64N(4), end); at < p.before; at++ {
			if n := rng.IntN(4); n > 0 {
				p.over[at] = responses(n)
				p.over[at].Add(&outcome.Outcome{Error: outcome.ConnReset, Lateness: time.Duration(rng.IntN(1e9)), Message: "reset"}, "")
				if total[at] == nil {
					total[at] = new(tally.Tally)
				}
				total[at].Merge(p.over[at])
			}
		}
		parts = append(parts, p)
	}
	return append(parts, part{before: ended})
}

// In whatever order the shards go on, all seconds together are the run, each in its place.
func TestSeriesIsTheRun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		total := map[int64]*tally.Tally{}
		shards := make([][]part, 1+rng.IntN(4))
		for k := range shards {
			shards[k] = randomParts(rng, total)
		}
		s := newKeptSeries(len(shards))
		for left := len(shards); left > 0; {
			k := rng.IntN(len(shards))
			if len(shards[k]) == 0 {
				continue
			}
			s.take(t, k, shards[k][0].over, shards[k][0].before)
			if shards[k] = shards[k][1:]; len(shards[k]) == 0 {
				left--
			}
			if slowest := slowest(s.series); slowest != ended && int64(len(s.intervals)) < slowest {
				t.Fatalf("seed %d: %d seconds are complete, want those before %d", seed, len(s.intervals), slowest)
			}
		}
		s.keep(t, true)
		for i, interval := range s.intervals {
			want := new(tally.Tally)
			want.Merge(total[int64(i)])
			if got := interval.Tally.Counts; interval.Second != int64(i) || got != want.Counts {
				t.Fatalf("seed %d: second %d = %v of second %d, want %v", seed, i, got, interval.Second, want.Counts)
			}
			delete(total, int64(i))
		}
		if len(total) > 0 || len(s.open) > 0 {
			t.Fatalf("seed %d: seconds that never completed = %v, %v open, want none", seed, total, s.open)
		}
	}
}

func slowest(s *series) int64 {
	least := int64(ended)
	for _, before := range s.before {
		least = min(least, before)
	}
	return least
}
