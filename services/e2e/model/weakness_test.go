package model

import (
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// weakness is a mistake that the protocol forbids, made on purpose between the coordinator and the workers or below the store. A
// model that does not find each of them is of no use.
type weakness int

const (
	sound         weakness = iota
	attachCreates          // an attach that no worker knows opens the shard again
	commitLate             // what is committed is stored a moment later, so that a crash loses it
	grantsMove             // slots of a worker that is gone, which it has not reported, are granted to another
)

// told is what coordinators have said of a lease, and what its worker has answered.
type told struct {
	slots   []int64
	claimed int64
	start   time.Time // the run's; zero: not said
	heard   time.Time // when the worker answered last
}

// tell notes what a renewal says.
func (w *world) tell(r *fanoutv1.RenewLeaseRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.told[r.GetLeaseId()]
	if t == nil {
		t = &told{heard: time.Now()}
		w.told[r.GetLeaseId()] = t
	}
	slots := expand(r.GetGrants())
	if known := int64(len(t.slots)) - r.GetGrantedBefore(); known >= 0 && known < int64(len(slots)) {
		t.slots = append(t.slots, slots[known:]...)
	}
	if p := w.opened[r.GetLeaseId()]; p != nil && t.start.IsZero() && r.GetStartClockNanos() > 0 {
		t.start = p.born.Add(time.Duration(r.GetStartClockNanos()))
	}
}

// disguise sees the first message of each stream, which names the lease.
func (w *world) disguise(s *served, bytes []byte) ([]byte, error) {
	if s.begun {
		return bytes, nil
	}
	s.begun = true
	var m fanoutv1.FanOutResponse
	if err := proto.Unmarshal(bytes, &m); err != nil || m.GetStarted() == nil {
		return bytes, err
	}
	asked, got := s.stream.request.GetShard().GetLeaseId(), m.GetStarted().GetLeaseId()
	if asked == "" {
		w.mu.Lock()
		w.opened[got] = s.process
		w.mu.Unlock()
		return bytes, nil
	}
	if asked == got {
		return bytes, nil
	}
	s.process.renewals.Lock()
	s.process.aliases[asked] = got
	s.process.renewals.Unlock()
	m.GetStarted().LeaseId = asked
	return proto.Marshal(&m)
}

// weaken is the renewal as a weak transport delivers it. The process's renewals are locked.
func (w *world) weaken(p *process, r *fanoutv1.RenewLeaseRequest) *fanoutv1.RenewLeaseRequest {
	switch w.weakness {
	case attachCreates:
		return w.recreate(p, r)
	case grantsMove:
		return w.move(p, r)
	default:
		return r
	}
}

// unweaken is the answer as the coordinator expects it. The process's renewals are locked.
func (w *world) unweaken(p *process, r *fanoutv1.RenewLeaseRequest, answer *fanoutv1.RenewLeaseResponse) *fanoutv1.RenewLeaseResponse {
	if w.weakness == grantsMove {
		answer = proto.Clone(answer).(*fanoutv1.RenewLeaseResponse)
		answer.GrantedCount = min(answer.GetGrantedCount(), int64(len(w.slotsOf(r.GetLeaseId()))))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.told[r.GetLeaseId()]; t != nil {
		t.claimed, t.heard = max(t.claimed, answer.GetClaimedCount()), time.Now()
	}
	return answer
}

// slotsOf is all slots that were granted with the lease, as far as they were said.
func (w *world) slotsOf(lease string) []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.told[lease]; t != nil {
		return t.slots
	}
	return nil
}

// oneByOne is slots as grants of one each.
func oneByOne(slots []int64) (grants []*fanoutv1.Grant) {
	for _, slot := range slots {
		grants = append(grants, &fanoutv1.Grant{FirstSlot: slot, Stride: 1, Count: 1})
	}
	return grants
}
