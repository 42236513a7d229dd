package wire

import (
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/schedule"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// maxChanges bounds the changes of one renewal.
const maxChanges = 1000

// Renewal renews a lease. fanout.v1.RenewLeaseRequest says what each field means.
type Renewal struct {
	LeaseID       string
	Epoch         int64
	GrantedBefore int64
	Grants        schedule.Grants // each with an end
	LastGrant     bool
	ChangesBefore int64
	Changes       []LoadChange
	StartClock    time.Duration // 0: not said
	AckedSecond   int64
	Stop          bool
	Release       bool
}

// LoadChange is a change of a shard's load.
type LoadChange struct {
	Offset      time.Duration
	Concurrency int64
}

// Position is where a leased shard is. fanout.v1.RenewLeaseResponse says what each field means.
type Position struct {
	Clock   time.Duration
	Started bool // Offset is known
	Offset  time.Duration
	Granted int64
	Claimed int64
	Changes int64
	State   int32
}

// States of a lease.
const (
	LeaseDraining = int32(fanoutv1.LeaseState_LEASE_STATE_DRAINING)
	LeaseEnded    = int32(fanoutv1.LeaseState_LEASE_STATE_ENDED)
)

// ParseRenewal is the renewal that pb says, of a run of that many slots, or all that is wrong with it.
func ParseRenewal(pb *fanoutv1.RenewLeaseRequest, slots int64) (*Renewal, []Violation) {
	c := &checker{caps: noCaps()}
	c.id("", "lease_id", pb.GetLeaseId(), 1)
	c.atLeast("", "epoch", pb.GetEpoch(), 0)
	c.atLeast("", "granted_before", pb.GetGrantedBefore(), 0)
	c.atLeast("", "changes_before", pb.GetChangesBefore(), 0)
	c.atLeast("", "start_clock_nanos", pb.GetStartClockNanos(), 0)
	c.atLeast("", "acked_second", pb.GetAckedSecond(), 0)
	r := &Renewal{
		LeaseID:       pb.GetLeaseId(),
		Epoch:         pb.GetEpoch(),
		GrantedBefore: pb.GetGrantedBefore(),
		Grants:        c.grants("", pb.GetGrants(), slots, 0),
		LastGrant:     pb.GetLastGrant(),
		ChangesBefore: pb.GetChangesBefore(),
		Changes:       c.changes(pb.GetChanges()),
		StartClock:    time.Duration(pb.GetStartClockNanos()),
		AckedSecond:   pb.GetAckedSecond(),
		Stop:          pb.GetStop(),
		Release:       pb.GetRelease(),
	}
	if n := len(r.Grants); n > 0 && r.Grants[n-1].Count == 0 { // only the last can be
		last := min(len(pb.GetGrants()), maxGrants) - 1
		c.addf("grants["+strconv.Itoa(last)+"]", "count", "0 is without end, which no lease is granted; use 1 or more")
	}
	if found := c.violations(); found != nil {
		return nil, found
	}
	return r, nil
}

func (c *checker) changes(pbs []*fanoutv1.LoadChange) []LoadChange {
	c.inRange("", "changes", int64(len(pbs)), 0, maxChanges)
	changes := make([]LoadChange, 0, min(len(pbs), maxChanges))
	for i, pb := range pbs[:min(len(pbs), maxChanges)] {
		at := "changes[" + strconv.Itoa(i) + "]"
		c.atLeast(at, "concurrency", pb.GetConcurrency(), 1)
		change := LoadChange{Concurrency: pb.GetConcurrency()}
		if pb.GetOffset() != nil {
			change.Offset = c.duration(at, "offset", pb.GetOffset())
		}
		changes = append(changes, change)
	}
	return changes
}

// RenewalProto is the message that says r.
func RenewalProto(r *Renewal) *fanoutv1.RenewLeaseRequest {
	pb := &fanoutv1.RenewLeaseRequest{
		LeaseId:         r.LeaseID,
		Epoch:           r.Epoch,
		GrantedBefore:   r.GrantedBefore,
		Grants:          grantsProto(r.Grants),
		LastGrant:       r.LastGrant,
		ChangesBefore:   r.ChangesBefore,
		StartClockNanos: int64(r.StartClock),
		AckedSecond:     r.AckedSecond,
		Stop:            r.Stop,
		Release:         r.Release,
	}
	for _, change := range r.Changes {
		pb.Changes = append(pb.Changes, &fanoutv1.LoadChange{
			Offset: durationpb.New(change.Offset), Concurrency: change.Concurrency,
		})
	}
	return pb
}

// PositionProto is the message that says p.
func PositionProto(p *Position) *fanoutv1.RenewLeaseResponse {
	pb := &fanoutv1.RenewLeaseResponse{
		ClockNanos:   int64(p.Clock),
		GrantedCount: p.Granted,
		ClaimedCount: p.Claimed,
		ChangesCount: p.Changes,
		State:        fanoutv1.LeaseState(p.State),
	}
	if p.Started {
		pb.RunOffset = durationpb.New(p.Offset)
	}
	return pb
}

// NewPosition is the position that pb says.
func NewPosition(pb *fanoutv1.RenewLeaseResponse) *Position {
	return &Position{
		Clock:   time.Duration(pb.GetClockNanos()),
		Started: pb.GetRunOffset() != nil,
		Offset:  pb.GetRunOffset().AsDuration(),
		Granted: max(pb.GetGrantedCount(), 0),
		Claimed: max(pb.GetClaimedCount(), 0),
		Changes: max(pb.GetChangesCount(), 0),
		State:   int32(pb.GetState()),
	}
}
