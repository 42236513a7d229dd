package runs

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
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

// everything is a page as long as no run.
const everything = math.MaxInt

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
	}{
		{"one shard", 1, []step{
			{0, map[int64]*tally.Tally{0: responses(3)}, 1, []int64{3}},
			{0, nil, 1, []int64{3}},
			{0, map[int64]*tally.Tally{1: responses(1), 2: responses(2)}, ended, []int64{3, 1, 2}},
		}},
		{"the slowest shard decides", 2, []step{
			{0, map[int64]*tally.Tally{0: responses(1), 1: responses(1)}, 2, nil},
			{1, nil, 0, nil},
			{1, map[int64]*tally.Tally{0: responses(4)}, 1, []int64{5}},
			{1, nil, 2, []int64{5, 1}},
		}},
		{"a shard that has ended does not count", 2, []step{
			{0, map[int64]*tally.Tally{0: responses(2), 3: responses(2)}, ended, nil},
			{1, map[int64]*tally.Tally{0: responses(1)}, 2, []int64{3, 0}},
			{1, map[int64]*tally.Tally{2: responses(1)}, ended, []int64{3, 0, 1, 2}},
		}},
		{"seconds without outcomes", 1, []step{
			{0, map[int64]*tally.Tally{2: responses(1)}, 4, []int64{0, 0, 1, 0}},
			{0, map[int64]*tally.Tally{5: responses(1)}, ended, []int64{0, 0, 1, 0, 0, 1}},
		}},
		{"no outcome at all", 2, []step{{0, nil, ended, nil}, {1, nil, ended, nil}}},
		{"an end after the end", 1, []step{
			{0, map[int64]*tally.Tally{0: responses(1)}, ended, []int64{1}},
			{0, nil, ended, []int64{1}},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSeries(closedLoop, tt.shards)
			for i, step := range tt.steps {
				s.add(step.shard, step.over, step.before)
				page, _ := s.page(0, everything)
				var got []int64
				for _, interval := range page {
					got = append(got, interval.Tally.Counts.Responses)
				}
				if !reflect.DeepEqual(got, step.want) {
					t.Errorf("responses by second after step %d = %v, want %v", i, got, step.want)
				}
			}
		})
	}
}

// part is what one call of add brings.
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

// In whatever order the shards go on: seconds complete in their order and stay as they are, none before its time, and all
// together they are the run.
func TestSeriesIsTheRun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		total := map[int64]*tally.Tally{}
		shards := make([][]part, 1+rng.IntN(4))
		for k := range shards {
			shards[k] = randomParts(rng, total)
		}
		s := newSeries(closedLoop, len(shards))
		var complete []run.Interval
		for left := len(shards); left > 0; {
			k := rng.IntN(len(shards))
			if len(shards[k]) == 0 {
				continue
			}
			s.add(k, shards[k][0].over, shards[k][0].before)
			if shards[k] = shards[k][1:]; len(shards[k]) == 0 {
				left--
			}
			now, more := s.page(0, everything)
			if more || len(now) < len(complete) || !slices.Equal(now[:len(complete)], complete) {
				t.Fatalf("seed %d: page(0) = %d seconds, more %v, want the %d before as they were", seed, len(now), more, len(complete))
			}
			complete = now
			if slowest := slowest(s); slowest != ended && int64(len(complete)) != slowest {
				t.Fatalf("seed %d: page(0) = %d seconds, want those before %d", seed, len(complete), slowest)
			}
		}
		for i, interval := range complete {
			want := new(tally.Tally)
			want.Merge(total[int64(i)])
			if interval.Second != int64(i) || !reflect.DeepEqual(interval.Tally, want.Snapshot(false)) {
				t.Fatalf("seed %d: second %d = %+v of second %d, want %+v", seed, i, interval.Tally, interval.Second, want.Snapshot(false))
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

func TestSeriesPages(t *testing.T) {
	t.Parallel()
	s := newSeries(closedLoop, 1)
	s.add(0, map[int64]*tally.Tally{4: responses(1)}, ended)
	for _, tt := range []struct {
		from int64
		n    int
		want []int64
		more bool
	}{
		{0, 2, []int64{0, 1}, true},
		{2, 2, []int64{2, 3}, true},
		{3, 2, []int64{3, 4}, false},
		{4, 2, []int64{4}, false},
		{0, 5, []int64{0, 1, 2, 3, 4}, false},
		{5, 2, nil, false},
		{math.MaxInt64, 1, nil, false},
	} {
		page, more := s.page(tt.from, tt.n)
		var got []int64
		for _, interval := range page {
			got = append(got, interval.Second)
		}
		if !reflect.DeepEqual(got, tt.want) || more != tt.more {
			t.Errorf("page(%d, %d) = %v, more %v, want %v, %v", tt.from, tt.n, got, more, tt.want, tt.more)
		}
		if cap(page) != len(page) {
			t.Errorf("page(%d, %d) = room for %d, want %d: the rest is the series's", tt.from, tt.n, cap(page), len(page))
		}
	}
}
