package wire

import (
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

const (
	maxIDBytes = 128
	maxGrants  = 1000

	// slotLimit is the end of the slots of a run that only time ends. No run reaches it (10^10 is the cap), and sums of a few
	// numbers below it do not overflow.
	slotLimit = 1 << 60

	// maxEndlessStride bounds the stride of a grant without end: 10^10 slots so far apart are still within an int64. A
	// stride is about as many as there are workers.
	maxEndlessStride = 1 << 20
)

// Shard is the part of a run that one worker carries out.
type Shard struct {
	RunID       string
	ShardID     string
	Grants      schedule.Grants // at least one, none overlapping, all within the run's slots
	Concurrency int64           // 0: without a shape the shard's slots, in an open loop the worker's cap
	StartClock  time.Duration   // the run's start in the worker's clock; 0 is on arrival
	InstanceID  string          // the process that it is meant for; "" is any
}

// ParseShard is the shard of p that pb says, or all that is wrong with it. Fields are named from "shard" on. The run has
// that many slots, which may be schedule.Unbounded.
func ParseShard(pb *fanoutv1.Shard, p *plan.Plan, slots int64) (*Shard, []Violation) {
	const at = "shard"
	c := &checker{}
	if pb == nil {
		c.addf(at, "", "a shard is required; give its run and its slots")
		return nil, c.violations()
	}
	c.id(at, "run_id", pb.GetRunId(), 1)
	c.id(at, "shard_id", pb.GetShardId(), 1)
	grants := c.grants(at, pb.GetGrants(), slots)
	least := int64(0)
	if p.Load.ClosedLoop != nil {
		least = 1
	}
	c.atLeast(at, "concurrency", pb.GetConcurrency(), least)
	c.atLeast(at, "start_clock_nanos", pb.GetStartClockNanos(), 0)
	c.id(at, "instance_id", pb.GetInstanceId(), 0)
	if found := c.violations(); found != nil {
		return nil, found
	}
	return &Shard{
		RunID:       pb.GetRunId(),
		ShardID:     pb.GetShardId(),
		Grants:      grants,
		Concurrency: pb.GetConcurrency(),
		StartClock:  time.Duration(pb.GetStartClockNanos()),
		InstanceID:  pb.GetInstanceId(),
	}, nil
}

// ShardProto is the message that says s.
func ShardProto(s *Shard) *fanoutv1.Shard {
	if s == nil {
		return nil
	}
	pb := &fanoutv1.Shard{
		RunId:           s.RunID,
		ShardId:         s.ShardID,
		Concurrency:     s.Concurrency,
		StartClockNanos: int64(s.StartClock),
		InstanceId:      s.InstanceID,
	}
	for _, g := range s.Grants {
		pb.Grants = append(pb.Grants, &fanoutv1.Grant{FirstSlot: g.First, Stride: g.Stride, Count: g.Count})
	}
	return pb
}

// id checks an identifier, which ends up in logs and in paths of a store.
func (c *checker) id(at, name, id string, least int) {
	switch {
	case len(id) < least:
		c.addf(at, name, "\"\" is no identifier; give 1 to %d bytes", maxIDBytes)
	case len(id) > maxIDBytes:
		c.addf(at, name, "%s has %d bytes, beyond the cap of %d; use a shorter one", quote(id), len(id), maxIDBytes)
	case !isPrintableASCII(id):
		c.addf(at, name, "%s has other characters than printable ASCII; use letters, digits and hyphens", quote(id))
	}
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func (c *checker) grants(at string, pbs []*fanoutv1.Grant, slots int64) schedule.Grants {
	c.inRange(at, "grants", int64(len(pbs)), 1, maxGrants)
	pbs = pbs[:min(len(pbs), maxGrants)] // each is compared with each
	grants := make(schedule.Grants, 0, len(pbs))
	for i, pb := range pbs {
		g := schedule.Grant{First: pb.GetFirstSlot(), Stride: pb.GetStride(), Count: pb.GetCount()}
		grant := at + ".grants[" + strconv.Itoa(i) + "]"
		endless := i == len(pbs)-1 && slots == schedule.Unbounded
		if !c.grant(grant, g, slots, endless) {
			continue
		}
		if g.Count == 1 {
			g.Stride = 1 // to the next slot, of which there is none; a great one would overflow where it is added
		}
		for _, earlier := range grants {
			if overlap(earlier, g) {
				c.addf(grant, "", "%d slots from %d on have one in common with the %d from %d on; grant each slot once",
					g.Count, g.First, earlier.Count, earlier.First)
				break
			}
		}
		grants = append(grants, g)
	}
	return grants
}

// grant reports whether a grant is one: in range, and within the run's slots.
func (c *checker) grant(at string, g schedule.Grant, slots int64, endless bool) bool {
	limit := min(slots, slotLimit)
	ok := c.inRange(at, "first_slot", g.First, 0, limit-1)
	ok = c.atLeast(at, "stride", g.Stride, 1) && ok
	switch {
	case g.Count < 0:
		c.addf(at, "count", "%d is less than 0; use 1 or more", g.Count)
	case g.Count == 0 && !endless:
		c.addf(at, "count", "0 is without end, which only the last grant of a run without a number of slots can be; use 1 or more")
	case g.Count == 0 && g.Stride > maxEndlessStride:
		c.addf(at, "stride", "%d is beyond the cap of %d for a grant without end; use less", g.Stride, maxEndlessStride)
	case ok && g.Count > 1 && g.Count-1 > (limit-1-g.First)/g.Stride: // First + (Count-1)·Stride may overflow
		c.addf(at, "count", "%d slots from %d on, each %d after the other, go beyond the run's %d; use a smaller count",
			g.Count, g.First, g.Stride, limit)
	default:
		return ok
	}
	return false
}

// overlap is whether two grants have a slot in common. Most of a long list follow one another, and then there is nothing
// to compute.
func overlap(a, b schedule.Grant) bool {
	if before(a, b) || before(b, a) {
		return false
	}
	return a.Overlaps(b)
}

func before(a, b schedule.Grant) bool { return a.Count > 0 && a.Last() < b.First }
