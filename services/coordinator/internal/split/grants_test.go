package split

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// far is where runs may be: near their beginning, or near the most slots that one has.
func far(t *rapid.T) int64 {
	return rapid.SampledFrom([]int64{0, 1, 7, 9_999_999_000}).Draw(t, "far")
}

// The shares of a window are its slots, each once, and share k has those ≡ k (mod m).
func TestWindowIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 40).Draw(t, "m")
		from := far(t) + rapid.Int64Range(0, 100).Draw(t, "from")
		to := from + rapid.Int64Range(-3, 300).Draw(t, "slots")
		shares := Window(from, to, m)
		if len(shares) != m {
			t.Fatalf("Window(%d, %d, %d) = %d shares", from, to, m, len(shares))
		}
		var all []int64
		for k, g := range shares {
			for i := range g.Count {
				slot := schedule.Grants{g}.Slot(i)
				if slot%int64(m) != int64(k) {
					t.Fatalf("share %d of Window(%d, %d, %d) has slot %d", k, from, to, m, slot)
				}
				all = append(all, slot)
			}
		}
		slices.Sort(all)
		if int64(len(all)) != max(to-from, 0) {
			t.Fatalf("Window(%d, %d, %d) has %d slots, want %d", from, to, m, len(all), max(to-from, 0))
		}
		for i, slot := range all {
			if slot != from+int64(i) {
				t.Fatalf("Window(%d, %d, %d) has slot %d in the place of %d", from, to, m, slot, from+int64(i))
			}
		}
	})
}

// As long as no worker is lost, each shard's windows are one progression.
func TestWindowsJoin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 12).Draw(t, "m")
		first := far(t)
		whole := make([]schedule.Grant, m)
		next := first
		for _, n := range rapid.SliceOfN(rapid.Int64Range(0, 60), 1, 12).Draw(t, "windows") {
			for k, g := range Window(next, next+n, m) {
				switch {
				case g.Count == 0:
				case whole[k].Count == 0:
					whole[k] = g
				default:
					joined, ok := whole[k].Join(g)
					if !ok {
						t.Fatalf("%+v and %+v of shard %d of %d do not join", whole[k], g, k, m)
					}
					whole[k] = joined
				}
			}
			next += n
		}
		for k, g := range Window(first, next, m) {
			if whole[k].Count != g.Count || g.Count > 0 && (whole[k].First != g.First || whole[k].Last() != g.Last()) {
				t.Fatalf("shard %d has %+v, want %+v, as if it were one window", k, whole[k], g)
			}
		}
	})
}

func drawNeed(t *rapid.T) Need {
	n := Need{
		Concurrency: rapid.Int64Range(1, 50).Draw(t, "concurrency"),
		Unclaimed:   rapid.Int64Range(0, 2000).Draw(t, "unclaimed"),
		Known:       rapid.Bool().Draw(t, "known"),
	}
	if n.Known {
		n.Rate = rapid.Float64Range(0, 3000).Draw(t, "rate")
	}
	return n
}

// Shards are granted what they lack, and never more than is left. Where that is less than all lack, none gets more than its part of
// it, and nothing stays behind.
func TestConsecutive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		needs := rapid.SliceOfN(rapid.Custom(drawNeed), 0, 12).Draw(t, "needs")
		lease := rapid.SampledFrom([]float64{1, 8, 60}).Draw(t, "lease")
		left := rapid.OneOf(rapid.Int64Range(0, 500), rapid.Just[int64](schedule.Unbounded)).Draw(t, "left")
		shares := Consecutive(needs, lease, left)
		var sum, wanted int64
		for k, n := range needs {
			want := max(n.target(lease)-n.Unclaimed, 0)
			if shares[k] < 0 || shares[k] > want {
				t.Fatalf("Consecutive(%+v, %v, %d)[%d] = %d, want 0 to %d", needs, lease, left, k, shares[k], want)
			}
			sum += shares[k]
			wanted += want
		}
		if sum != min(wanted, left) {
			t.Fatalf("Consecutive(%+v, %v, %d) = %v, which is %d, want %d", needs, lease, left, shares, sum, min(wanted, left))
		}
		for k, n := range needs {
			want := float64(max(n.target(lease)-n.Unclaimed, 0))
			if wanted > left && float64(shares[k]) > want/float64(wanted)*float64(left)+1 {
				t.Fatalf("Consecutive(%+v, %v, %d)[%d] = %d, which is beyond its part", needs, lease, left, k, shares[k])
			}
		}
	})
}

// The last slots of a run do not all go to the shard that is asked first.
func TestConsecutiveIsFair(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		needs []Need
		left  int64
		want  []int64
	}{
		{"all alike", []Need{{Concurrency: 1}, {Concurrency: 1}, {Concurrency: 1}}, 30, []int64{10, 10, 10}},
		{"fewer than shards", []Need{{Concurrency: 1}, {Concurrency: 1}, {Concurrency: 1}}, 2, []int64{1, 1, 0}},
		{"by need", []Need{{Concurrency: 3}, {Concurrency: 1}}, 40, []int64{30, 10}},
		{"one has enough", []Need{{Concurrency: 1, Unclaimed: 100}, {Concurrency: 1}}, 40, []int64{0, 40}},
		{"none is left", []Need{{Concurrency: 1}}, 0, []int64{0}},
		{"no end", []Need{{Concurrency: 2}, {Known: true, Rate: 10, Concurrency: 1}}, schedule.Unbounded, []int64{200, 90}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Consecutive(tt.needs, 8, tt.left); !slices.Equal(got, tt.want) {
				t.Errorf("Consecutive(%+v, 8, %d) = %v, want %v", tt.needs, tt.left, got, tt.want)
			}
		})
	}
}

// A shard whose rate is known has no more in hand than it uses within its lease and a second, and a slot for each of its senders: at
// the end nobody waits for a slow one long.
func TestSlowShardHasFewSlotsInHand(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := drawNeed(t)
		n.Known, n.Rate = true, rapid.Float64Range(0, 3000).Draw(t, "rate")
		n.Unclaimed = min(n.Unclaimed, n.Concurrency)
		lease := rapid.SampledFrom([]float64{1, 8, 60}).Draw(t, "lease")
		inHand := n.Unclaimed + Consecutive([]Need{n}, lease, schedule.Unbounded)[0]
		if most := (lease+1)*n.Rate + float64(n.Concurrency); float64(inHand) > most {
			t.Fatalf("%+v has %d slots in hand, want at most %v", n, inHand, most)
		}
		if inHand < n.Concurrency {
			t.Fatalf("%+v has %d slots in hand, want at least one for each sender", n, inHand)
		}
	})
}
