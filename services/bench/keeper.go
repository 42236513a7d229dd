package main

import (
	"context"
	"sync"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// keeper renews a lease each second until it ends, and keeps more slots in the worker's hand than it uses. The zero value has no
// lease. One goroutine calls its methods.
type keeper struct {
	lease    string
	cancel   context.CancelFunc
	done     sync.WaitGroup
	renewals int64
}

// begin renews the lease for the first time, and from then on.
func (k *keeper) begin(ctx context.Context, s *shardCall, lease string, start int64) {
	ctx, k.cancel = context.WithCancel(ctx)
	k.lease = lease
	k.done.Go(func() { // ends with end, or when a renewal fails: the worker ends the shard then, and says so
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var granted, claimed int64
		for {
			request := &fanoutv1.RenewLeaseRequest{
				LeaseId: lease, GrantedBefore: granted, StartClockNanos: start, AckedSecond: s.acked.Load(),
			}
			if more := claimed + inHand - granted; more > 0 {
				request.Grants = []*fanoutv1.Grant{{FirstSlot: granted, Stride: 1, Count: more}}
			}
			answer, err := s.client.RenewLease(ctx, request)
			if err != nil {
				return
			}
			granted, claimed = answer.GetGrantedCount(), answer.GetClaimedCount()
			k.renewals++
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// end ends it, and returns how often the lease was renewed. Ending it again does nothing.
func (k *keeper) end() int64 {
	if k.cancel != nil {
		k.cancel()
		k.done.Wait()
	}
	return k.renewals
}
