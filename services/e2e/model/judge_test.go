package model

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// judge holds what is seen against the invariants. It is safe for concurrent use.
type judge struct {
	world *world

	mu        sync.Mutex
	final     *fanoutv1.Run // the run at its end, as it was seen first; guarded by mu
	snapshots int           // guarded by mu
}

// source is who shows snapshots, one after the other: each goes on from the one before.
type source struct {
	brain  *brain
	name   string
	run    counts
	shards []counts
	state  fanoutv1.State
	ended  bool
}

// newSource is one whose first snapshot goes on from what was stored; nil is nothing.
func newSource(b *brain, method string, floor *stored) *source {
	s := &source{brain: b, name: b.name + " " + method}
	if floor != nil {
		for _, shard := range floor.shards {
			s.shards = append(s.shards, shard.counts)
		}
	}
	return s
}

// counts is a tally's counts, and what the errors say of delivery.
type counts struct {
	planned, pending, inFlight, responses, errors, notSent, unknown int64
	delivered, maybe, never                                         int64 // errors
	lost                                                            int64 // not sent, LEASE_LOST or WORKER_LOST
	incomplete                                                      int64 // errors of slots that their worker cut off
}

func countsOf(t *fanoutv1.Tally) counts {
	pb := t.GetCounts()
	c := counts{
		planned: pb.GetPlanned(), pending: pb.GetPending(), inFlight: pb.GetInFlight(), responses: pb.GetResponses(),
		errors: pb.GetErrors(), notSent: pb.GetNotSent(), unknown: pb.GetUnknown(),
	}
	for _, e := range t.GetErrors() {
		class := outcome.Class(e.GetClass())
		switch class.Delivery() {
		case outcome.Delivered:
			c.delivered += e.GetCount()
		case outcome.MaybeDelivered:
			c.maybe += e.GetCount()
		default:
			c.never += e.GetCount()
		}
		if class == outcome.Shutdown || class == outcome.LeaseLost {
			c.incomplete += e.GetCount()
		}
	}
	for _, n := range t.GetNotSent() {
		if r := outcome.Reason(n.GetReason()); r == outcome.NotSentLeaseLost || r == outcome.NotSentWorkerLost {
			c.lost += n.GetCount()
		}
	}
	return c
}

func (c counts) String() string {
	return fmt.Sprintf("N %d = pending %d + in flight %d + R %d + E %d (%d delivered, %d maybe) + U %d + X %d",
		c.planned, c.pending, c.inFlight, c.responses, c.errors, c.delivered, c.maybe, c.notSent, c.unknown)
}

// closed reports whether they add up, and none is negative.
func (c counts) closed() bool {
	return c.planned == c.pending+c.inFlight+c.responses+c.errors+c.notSent+c.unknown &&
		min(c.planned, c.pending, c.inFlight, c.responses, c.errors, c.notSent, c.unknown) >= 0
}

// leaves checks a renewal that a coordinator sends: what it grants is stored.
func (j *judge) leaves(r *fanoutv1.RenewLeaseRequest) {
	if len(r.GetGrants()) == 0 {
		return
	}
	said := expand(r.GetGrants())
	var kept []int64
	if s := j.world.memory.read(j.world.run()); s != nil {
		if shard := s.shardOf(r.GetLeaseId()); shard != nil {
			kept = shard.slots[min(r.GetGrantedBefore(), int64(len(shard.slots))):]
		}
	}
	if len(kept) < len(said) {
		j.world.wrongs.add("I3", "a renewal of %.4s grants %v after %d, and stored are %v", r.GetLeaseId(), said, r.GetGrantedBefore(), kept)
		return
	}
	for i, slot := range said {
		if kept[i] != slot {
			j.world.wrongs.add("I3", "a renewal of %.4s grants %v after %d, and stored are %v", r.GetLeaseId(), said, r.GetGrantedBefore(), kept)
			return
		}
	}
}

// expand is the slots of grants.
func expand(grants []*fanoutv1.Grant) (slots []int64) {
	for _, g := range grants {
		for k := range g.GetCount() {
			slots = append(slots, g.GetFirstSlot()+k*g.GetStride())
		}
	}
	return slots
}

// snapshot checks a run as it was shown. before is how many requests the target had seen when it was asked for.
func (j *judge) snapshot(s *source, r *fanoutv1.Run, before int64) {
	j.mu.Lock()
	j.snapshots++
	j.mu.Unlock()
	wrongs := j.world.wrongs
	run := countsOf(r.GetTally())
	var sum counts
	for i, w := range r.GetWorkers() {
		c := countsOf(w.GetTally())
		if !c.closed() {
			wrongs.add("I1", "%s: shard %d does not add up: %v", s.name, i, c)
		}
		if w.GetFailure().GetClass() == fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_INCONSISTENT {
			wrongs.add("I1", "%s: shard %d: %s", s.name, i, w.GetFailure().GetMessage())
		}
		if i == len(s.shards) {
			s.shards = append(s.shards, counts{})
		}
		s.forward(wrongs, fmt.Sprint("shard ", i), s.shards[i], c)
		s.shards[i] = c
		sum.responses, sum.errors, sum.unknown = sum.responses+c.responses, sum.errors+c.errors, sum.unknown+c.unknown
	}
	s.forward(wrongs, "the run", s.run, run)
	s.run = run
	if !run.closed() || sum.responses != run.responses || sum.errors != run.errors || sum.unknown != run.unknown {
		wrongs.add("I1", "%s: the run does not add up: %v; its shards %v", s.name, run, sum)
	}
	if n := j.world.scenario.slots; n > 0 && run.planned != n {
		wrongs.add("I1", "%s: %d slots are planned, and accounted for are %v", s.name, n, run)
	}
	seen := j.world.ledger.total()
	if run.responses+run.delivered > seen {
		wrongs.add("I4", "%s: the target saw %d, the run says %v", s.name, seen, run)
	}
	if j.world.scenario.slots > 0 && before > run.planned-run.notSent-run.never {
		wrongs.add("I4", "%s: the target had seen %d, and then the run says %v", s.name, before, run)
	}
	if r.GetState() < s.state && !s.brain.leaving.Load() {
		wrongs.add("I7", "%s: the state went back from %v to %v", s.name, s.state, r.GetState())
	}
	s.state = r.GetState()
	if r.GetState() == fanoutv1.State_STATE_ENDED {
		s.ended = true
		j.ends(s.name, r)
	}
}

// forward checks that nothing went back.
func (s *source) forward(wrongs *wrongs, what string, from, to counts) {
	if s.brain.leaving.Load() {
		return
	}
	if to.responses < from.responses || to.errors < from.errors || to.notSent < from.notSent {
		wrongs.add("I7", "%s: %s went back from %v to %v", s.name, what, from, to)
	}
}

// ends takes a run that has ended: it is always the same.
func (j *judge) ends(who string, r *fanoutv1.Run) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.final == nil {
		j.final = proto.Clone(r).(*fanoutv1.Run)
		j.world.trace.note(who, "shows the end: %v %q, %v", r.GetVerdict(), r.GetVerdictReason(), countsOf(r.GetTally()))
		return
	}
	a, b := j.final, r
	if a.GetVerdict() != b.GetVerdict() || a.GetVerdictReason() != b.GetVerdictReason() || !proto.Equal(a.GetTally(), b.GetTally()) {
		j.world.wrongs.add("I8", "%s shows another end: %v %q, %v; it was %v %q, %v", who,
			b.GetVerdict(), b.GetVerdictReason(), countsOf(b.GetTally()), a.GetVerdict(), a.GetVerdictReason(), countsOf(a.GetTally()))
	}
}

// looks is how many snapshots were taken.
func (j *judge) looks() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.snapshots
}

// ended is the run at its end; nil before.
func (j *judge) ended() *fanoutv1.Run {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.final
}
