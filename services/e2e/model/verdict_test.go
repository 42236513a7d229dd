package model

import (
	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// close checks the run's end against the ledger and the store.
func (j *judge) close(final *fanoutv1.Run) {
	w := j.world
	kept := w.memory.read(w.run())
	if kept == nil {
		w.wrongs.add("I8", "the run is not stored")
		return
	}
	owner := j.owners(kept)
	seen := w.ledger.slots()
	byShard := make([]int64, len(kept.shards))
	for slot, a := range seen {
		shard, ok := owner[slot]
		if !ok {
			w.wrongs.add("I3", "the target saw slot %d from %s, and no grant of it is stored", slot, a.process)
			continue
		}
		byShard[shard]++
	}
	for i, result := range final.GetWorkers() {
		c := countsOf(result.GetTally())
		j.bounds("shard "+result.GetAddress(), byShard[i], c)
		if c.pending != 0 || c.inFlight != 0 {
			w.wrongs.add("I1", "shard %d ended with %v", i, c)
		}
		if granted := int64(len(kept.shards[i].slots)); w.scenario.slots > 0 && c.planned != granted {
			w.wrongs.add("I1", "shard %d was granted %d slots, and ended with %v", i, granted, c)
		}
	}
	run := countsOf(final.GetTally())
	j.bounds("the run", int64(len(seen)), run)
	if run.pending != 0 || run.inFlight != 0 {
		w.wrongs.add("I1", "the run ended with %v", run)
	}
	j.histograms(final.GetTally(), run)
	j.verdict(final, run, kept)
	if w.scenario.calm {
		j.calm(final, run, int64(len(seen)))
	}
	if harmless, drains := w.scenario.harmless(); harmless && (run.unknown > 0 || !drains && run.lost+run.incomplete > 0) {
		w.wrongs.add("I4", "nobody was gone for long, and the run ended %v (%s) with %v", final.GetVerdict(), final.GetVerdictReason(), run)
	}
}

// owners is the shard that each slot was granted to.
func (j *judge) owners(kept *stored) map[int64]int {
	owner := map[int64]int{}
	for i, shard := range kept.shards {
		for _, slot := range shard.slots {
			if other, twice := owner[slot]; twice {
				j.world.wrongs.add("I3", "slot %d is granted to shards %d and %d", slot, other, i)
			}
			if slot >= kept.next {
				j.world.wrongs.add("I3", "slot %d is granted, and the next to be granted is %d", slot, kept.next)
			}
			owner[slot] = i
		}
	}
	if n := int64(len(owner)) + kept.givenUp; n != kept.next {
		j.world.wrongs.add("I1", "%d slots are granted and %d given up of the first %d", len(owner), kept.givenUp, kept.next)
	}
	return owner
}

// bounds is the oracle's bound.
func (j *judge) bounds(what string, seen int64, c counts) {
	least := c.responses + c.delivered
	if most := least + c.maybe + c.unknown; seen < least || seen > most {
		j.world.wrongs.add("I4", "%s: the target saw %d, and it says %d to %d: %v", what, seen, least, most, c)
	}
}

func (j *judge) histograms(t *fanoutv1.Tally, c counts) {
	if service, late := t.GetServiceTime().GetCount(), t.GetLateness().GetCount(); service != c.responses || late != c.responses+c.errors {
		j.world.wrongs.add("I5", "the histograms have %d responses and %d outcomes, the counts are %v", service, late, c)
	}
}

// verdict checks that nothing that is not whole passes for a success, and the other way round.
func (j *judge) verdict(final *fanoutv1.Run, c counts, kept *stored) {
	lost := c.unknown > 0 || c.lost > 0 || c.incomplete > 0
	verdict := final.GetVerdict()
	switch verdict {
	case fanoutv1.Verdict_VERDICT_CANCELLED:
		if kept.cancelled == "" {
			j.world.wrongs.add("I8", "the run ended CANCELLED, and nobody has cancelled it")
		}
		return
	case fanoutv1.Verdict_VERDICT_INCOMPLETE:
		stopped := final.GetOnWorkerLoss() == fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_FAIL
		if !lost && !stopped {
			j.world.wrongs.add("I8", "the run ended INCOMPLETE (%s), and nothing is missing: %v", final.GetVerdictReason(), c)
		}
	default:
		started := final.GetStartTime() != nil
		if lost && started {
			j.world.wrongs.add("I8", "the run ended %v with %v", verdict, c)
		}
		if (verdict == fanoutv1.Verdict_VERDICT_PASSED) != (c.responses > 0) {
			j.world.wrongs.add("I8", "the run ended %v (%s) with %v", verdict, final.GetVerdictReason(), c)
		}
	}
	if kept.cancelled != "" {
		j.world.wrongs.add("I8", "the run was cancelled (%s), and ended %v", kept.cancelled, verdict)
	}
}

// calm checks a run without faults: everything was sent, and answered, but what an open loop gave up itself.
func (j *judge) calm(final *fanoutv1.Run, c counts, seen int64) {
	s := j.world.scenario
	open := s.shape == uniform || s.shape == poisson
	if final.GetVerdict() != fanoutv1.Verdict_VERDICT_PASSED || c.responses != seen || c.responses+c.notSent != c.planned ||
		c.lost > 0 || c.notSent > 0 && !open {
		j.world.wrongs.add("I4", "nothing went wrong, the target saw %d, and the run ended %v (%s) with %v",
			seen, final.GetVerdict(), final.GetVerdictReason(), c)
	}
}

// keeps checks what a coordinator tells of the run after its end.
func (j *judge) keeps(b *brain, final *fanoutv1.Run) {
	w := j.world
	again, err := b.coordinator.CreateRun(w.life, w.request())
	if err != nil || again.GetRun().GetId() != w.run() {
		w.wrongs.add("I6", "CreateRun again = %v, %v", again.GetRun().GetId(), err)
	}
	checks, err := b.coordinator.VerifyRun(w.life, &fanoutv1.VerifyRunRequest{RunId: w.run()})
	if err != nil {
		w.wrongs.add("I1", "VerifyRun = %v", err)
	}
	for _, check := range checks.GetChecks() {
		if !check.GetOk() {
			w.wrongs.add("I1", "VerifyRun: %s: %s", check.GetName(), check.GetDetail())
		}
	}
	intervals, err := b.coordinator.ListRunIntervals(w.life, &fanoutv1.ListRunIntervalsRequest{RunId: w.run(), PageSize: 1000})
	if err != nil {
		w.wrongs.add("I1", "ListRunIntervals = %v", err)
	}
	var sum counts
	for _, interval := range intervals.GetIntervals() {
		c := countsOf(interval.GetTally())
		sum.responses, sum.errors = sum.responses+c.responses, sum.errors+c.errors
	}
	if c := countsOf(final.GetTally()); sum.responses != c.responses || sum.errors != c.errors {
		w.wrongs.add("I1", "the seconds have R %d and E %d, the run %v", sum.responses, sum.errors, c)
	}
}
