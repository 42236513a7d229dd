package model

import (
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// open is the call as it arrives. With attachCreates one that attaches to a lease that the process has never heard of opens the
// shard: what a coordinator would do that attached by repeating the request that opened it.
func (w *world) open(p *process, request *fanoutv1.FanOutRequest) *fanoutv1.FanOutRequest {
	lease := request.GetShard().GetLeaseId()
	if w.weakness != attachCreates || lease == "" {
		return request
	}
	w.mu.Lock()
	known := w.opened[lease] == p
	w.mu.Unlock()
	if _, marked := p.state.Dead(lease); known || marked {
		return request
	}
	again := proto.Clone(request).(*fanoutv1.FanOutRequest)
	again.Shard.LeaseId = ""
	p.renewals.Lock()
	defer p.renewals.Unlock()
	if alias := p.aliases[lease]; alias != "" {
		again.Shard.LeaseId = alias
	} else {
		w.trace.note(p.name, "is made to open %.4s again", lease)
	}
	return again
}

// recreate is a renewal of a lease that was opened again: the lease has another name, all that was granted with it is said anew, and
// the start is on the clock of the process that is there now.
func (w *world) recreate(p *process, r *fanoutv1.RenewLeaseRequest) *fanoutv1.RenewLeaseRequest {
	alias := p.aliases[r.GetLeaseId()]
	if alias == "" {
		return r
	}
	r = proto.Clone(r).(*fanoutv1.RenewLeaseRequest)
	w.mu.Lock()
	t := w.told[r.GetLeaseId()]
	slots, start := t.slots, t.start
	w.mu.Unlock()
	r.LeaseId, r.GrantedBefore, r.Grants = alias, 0, oneByOne(slots)
	if start.IsZero() {
		start = time.Now()
	}
	r.StartClockNanos = max(int64(start.Sub(p.born)), 1)
	return r
}
