package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
)

// grants checks that no slot was granted twice, and that those that were granted or given up are the ones before the run's mark.
func grants(stored *store.Run) run.Check {
	const name = "grants"
	all := slices.Clone(stored.Grants)
	slices.SortFunc(all, func(a, b store.Grant) int { return cmp.Compare(a.First, b.First) })
	sum := stored.GivenUp
	var open []store.Grant // those that reach beyond the first slot of the next
	for _, g := range all {
		if g.Count < 1 || g.Stride < 1 || g.First < 0 || g.Last() >= stored.Next {
			return check(name, fmt.Sprintf("shard %d was granted %d slots from %d on, each %d after the other, and the run's mark is %d",
				g.Shard, g.Count, g.First, g.Stride, stored.Next), "")
		}
		open = slices.DeleteFunc(open, func(o store.Grant) bool { return o.Last() < g.First })
		for _, o := range open {
			if o.Overlaps(g.Grant) {
				return check(name, fmt.Sprintf("shards %d and %d were granted a slot in common, among those from %d and from %d on",
					o.Shard, g.Shard, o.First, g.First), "")
			}
		}
		open = append(open, g)
		sum += g.Count
	}
	wrong := ""
	if sum != stored.Next {
		wrong = fmt.Sprintf("%d slots were granted or given up, and the run's mark is %d", sum, stored.Next)
	}
	return check(name, wrong, fmt.Sprintf("%d grants of %d slots, none twice; %d given up", len(all), sum-stored.GivenUp, stored.GivenUp))
}
