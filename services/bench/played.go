package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// played is the leases of a worker that only plays one: each takes its slots, all of them, in its first renewal. It is safe for
// concurrent use.
type played struct {
	born time.Time // the worker's clock counts from here

	mu     sync.Mutex
	leases map[string]*playedLease // guarded by mu
}

// playedLease is one of them.
type playedLease struct {
	id      string
	granted chan struct{} // closed with the first renewal that grants slots, or that stops
	first   *fanoutv1.RenewLeaseRequest
	count   int64
}

func newPlayed() *played {
	return &played{born: time.Now(), leases: make(map[string]*playedLease)}
}

// clock is what the worker's clock reads.
func (p *played) clock() int64 { return int64(time.Since(p.born)) }

// open makes a lease for a shard that is opened. No lease outlives its stream here, so there is none to attach to.
func (p *played) open(shard *fanoutv1.Shard) (*playedLease, error) {
	if shard.GetLeaseDuration() == nil {
		return nil, status.Error(codes.InvalidArgument, "shard.lease_duration is required: this worker takes slots by RenewLease only")
	}
	if shard.GetLeaseId() != "" {
		return nil, status.Error(codes.NotFound, "no stream of this worker can be attached to again")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &playedLease{id: fmt.Sprintf("%s/%s", shard.GetRunId(), shard.GetShardId()), granted: make(chan struct{})}
	p.leases[l.id] = l
	return l, nil
}

// RenewLease takes a lease's slots, and says that it has them.
func (p *played) RenewLease(_ context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leases[request.GetLeaseId()]
	if l == nil {
		return nil, status.Error(codes.NotFound, "no such lease is held")
	}
	if l.first == nil && (len(request.GetGrants()) > 0 || request.GetStop()) {
		for _, g := range request.GetGrants() {
			l.count += g.GetCount()
		}
		l.first = request
		close(l.granted)
	}
	if request.GetRelease() {
		delete(p.leases, l.id)
	}
	return &fanoutv1.RenewLeaseResponse{ClockNanos: p.clock(), GrantedCount: l.count, State: fanoutv1.LeaseState_LEASE_STATE_ACTIVE}, nil
}

// await returns at the start of the run whose slots the lease has, with the grants.
func (p *played) await(ctx context.Context, l *playedLease) ([]*fanoutv1.Grant, error) {
	select {
	case <-l.granted:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	timer := time.NewTimer(time.Until(p.born.Add(time.Duration(l.first.GetStartClockNanos()))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return l.first.GetGrants(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
