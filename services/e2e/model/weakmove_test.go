package model

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// insertion is slots that a weak transport has put into a lease's list, behind so many of its own.
type insertion struct {
	after int64
	slots []int64
}

// patience is how long a worker is silent until grantsMove gives its slots away: more than one renewal.
const patience = 1200 * time.Millisecond

// move adds to a renewal what workers that are silent were granted and have not reported: what a coordinator would do that took
// silence for death.
func (w *world) move(p *process, r *fanoutv1.RenewLeaseRequest) *fanoutv1.RenewLeaseRequest {
	lease := r.GetLeaseId()
	own := w.slotsOf(lease)
	if r.GetGrantedBefore()+int64(len(expand(r.GetGrants()))) == int64(len(own)) && !r.GetStop() && !r.GetRelease() {
		if taken := w.takeSilent(p); len(taken) > 0 {
			w.trace.note(p.name, "is given %v, which others were granted", taken)
			p.moved[lease] = append(p.moved[lease], insertion{int64(len(own)), taken})
		}
	}
	r = proto.Clone(r).(*fanoutv1.RenewLeaseRequest)
	r.LastGrant = r.GetLastGrant() && !w.mayMove(p)
	if len(p.moved[lease]) == 0 {
		return r
	}
	var list []int64
	from := int64(0)
	for _, in := range p.moved[lease] {
		list = append(append(list, own[from:in.after]...), in.slots...)
		from = in.after
	}
	r.GrantedBefore, r.Grants = 0, oneByOne(append(list, own[from:]...))
	return r
}

// mayMove reports whether slots of another node may still be moved here.
func (w *world) mayMove(p *process) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for lease, t := range w.told {
		if owner := w.opened[lease]; owner != nil && owner.node != p.node && t.claimed < int64(len(t.slots)) {
			return true
		}
	}
	return false
}

// takeSilent takes the unreported slots of the leases of other nodes that have not answered for a while.
func (w *world) takeSilent(p *process) (taken []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for lease, t := range w.told {
		if owner := w.opened[lease]; owner == nil || owner.node == p.node || time.Since(t.heard) < patience {
			continue
		}
		taken = append(taken, t.slots[min(t.claimed, int64(len(t.slots))):]...)
		t.claimed = int64(len(t.slots))
	}
	slices.Sort(taken)
	return taken
}
