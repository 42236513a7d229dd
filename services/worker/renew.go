package worker

import (
	"context"
	"errors"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
)

// RenewLease extends a lease and brings it slots.
func (w *Worker) RenewLease(ctx context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	id := request.GetLeaseId()
	w.mu.Lock()
	e := w.leases[id]
	w.mu.Unlock()
	if e == nil {
		return w.renewDead(request)
	}
	if err := mine(ctx, "lease_id", id, e.key.subject); err != nil {
		return nil, err
	}
	renewal, violations := wire.ParseRenewal(request, e.slots)
	if len(violations) > 0 {
		return nil, rpcerr.Invalid(violations)
	}
	said, violations := w.leaseRenewal(renewal)
	if len(violations) > 0 {
		return nil, rpcerr.Invalid(violations)
	}
	e.outlet.Fence(renewal.Epoch) // before there are slots that only this epoch knows of
	err := e.lease.Renew(said)
	var (
		fenced *lease.FencedError
		gap    *lease.GapError
		beyond *lease.BeyondError
	)
	switch {
	case errors.As(err, &fenced):
		return nil, rpcerr.Fenced(fenced.Error())
	case errors.As(err, &gap):
		return nil, rpcerr.Gap(gap.Error())
	case errors.As(err, &beyond):
		return nil, rpcerr.Invalid([]wire.Violation{{Field: beyond.Field, Description: beyond.Error()}})
	}
	e.heard(renewal.AckedSecond)
	position := e.lease.Position()
	if renewal.Release {
		w.release(id)
	}
	return wire.PositionProto(&wire.Position{
		Clock:   time.Since(w.born),
		Started: position.Started,
		Offset:  position.Offset,
		Granted: position.Granted,
		Claimed: position.Claimed,
		Changes: position.Changes,
		State:   int32(position.State),
	}), nil
}

// renewDead answers for a lease that this process does not hold. Only the release of one whose process died changes anything.
func (w *Worker) renewDead(request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	id := request.GetLeaseId()
	count, ok := w.config.State.Dead(id)
	if !ok || !request.GetRelease() {
		return nil, rpcerr.NotFound("lease_id %.80q is not held by this worker", id)
	}
	w.config.State.Forget(id)
	return wire.PositionProto(&wire.Position{
		Clock: time.Since(w.born), Granted: count.Granted, Claimed: count.Claimed, State: int32(lease.Ended),
	}), nil
}

// leaseRenewal is what a renewal says, on this worker's clock.
func (w *Worker) leaseRenewal(r *wire.Renewal) (lease.Renewal, []wire.Violation) {
	renewal := lease.Renewal{
		Epoch:         r.Epoch,
		GrantedBefore: r.GrantedBefore,
		Grants:        r.Grants,
		LastGrant:     r.LastGrant,
		ChangesBefore: r.ChangesBefore,
		Stop:          r.Stop,
	}
	if r.StartClock > 0 {
		start, violations := w.startAt("start_clock_nanos", r.StartClock)
		if len(violations) > 0 {
			return lease.Renewal{}, violations
		}
		renewal.Start = start
	}
	for _, change := range r.Changes {
		renewal.Changes = append(renewal.Changes, lease.Change(change))
	}
	return renewal, nil
}
