package wire

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

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

	Lease   time.Duration // how long the worker goes on without being renewed; 0: the shard has no lease
	LeaseID string        // the lease to attach to; "" opens the shard
	Epoch   int64         // the caller's
}

const (
	minLease = time.Second
	maxLease = time.Hour
)

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
	lease := c.lease(at, pb)
	var grants schedule.Grants
	least := int64(0)
	switch {
	case lease == 0:
		grants = c.grants(at, pb.GetGrants(), slots, 1)
	case len(pb.GetGrants()) > 0:
		c.addf(at, "grants", "a shard with a lease_duration gets its slots by RenewLease; leave them out")
	case p.Load.AllAtOnce():
		least = 1
	}
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
		Lease:       lease,
		LeaseID:     pb.GetLeaseId(),
		Epoch:       pb.GetEpoch(),
	}, nil
}

// lease is the shard's lease_duration; 0 is none, and then there is no lease_id and no epoch.
func (c *checker) lease(at string, pb *fanoutv1.Shard) time.Duration {
	c.id(at, "lease_id", pb.GetLeaseId(), 0)
	c.atLeast(at, "epoch", pb.GetEpoch(), 0)
	if pb.GetLeaseDuration() != nil {
		lease := pb.GetLeaseDuration().AsDuration()
		if lease < minLease || lease > maxLease {
			c.addf(at, "lease_duration", "%v is not within %v and %v; use 8s", lease, minLease, maxLease)
		}
		return max(lease, minLease)
	}
	if pb.GetLeaseId() != "" {
		c.addf(at, "lease_id", "there is no lease without a lease_duration; give both or none")
	}
	if pb.GetEpoch() != 0 {
		c.addf(at, "epoch", "there is no lease without a lease_duration; give both or none")
	}
	return 0
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
		LeaseId:         s.LeaseID,
		Epoch:           s.Epoch,
	}
	if s.Lease > 0 {
		pb.LeaseDuration = durationpb.New(s.Lease)
	}
	pb.Grants = grantsProto(s.Grants)
	return pb
}

func grantsProto(grants schedule.Grants) []*fanoutv1.Grant {
	var pbs []*fanoutv1.Grant
	for _, g := range grants {
		pbs = append(pbs, &fanoutv1.Grant{FirstSlot: g.First, Stride: g.Stride, Count: g.Count})
	}
	return pbs
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

func (c *checker) grants(at string, pbs []*fanoutv1.Grant, slots, least int64) schedule.Grants {
	c.inRange(at, "grants", int64(len(pbs)), least, maxGrants)
	pbs = pbs[:min(len(pbs), maxGrants)] // each is compared with each
	grants := make(schedule.Grants, 0, len(pbs))
	for i, pb := range pbs {
		g := schedule.Grant{First: pb.GetFirstSlot(), Stride: pb.GetStride(), Count: pb.GetCount()}
		grant := join(at, "grants["+strconv.Itoa(i)+"]")
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
