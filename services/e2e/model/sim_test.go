package model

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// ending is what a case came to.
type ending struct {
	wrongs  []violation
	trace   string
	final   *fanoutv1.Run
	slack   time.Duration // that was left of the time in which the run had to end
	looks   int
	arrived int64
}

// report is the scenario, what was wrong, and what happened.
func (e *ending) report(s *scenario) string {
	text := fmt.Sprintf("%v\n", s)
	for _, v := range e.wrongs {
		text += v.String() + "\n"
	}
	return text + "what happened, by seconds of fake time:\n" + e.trace
}

// twice reports whether the target saw a slot twice.
func (e *ending) twice() bool {
	return slices.ContainsFunc(e.wrongs, func(v violation) bool { return v.invariant == sentTwice })
}

// simulate carries out one case in a bubble.
func simulate(t *testing.T, s *scenario, weak weakness) *ending {
	t.Helper()
	dir, err := os.MkdirTemp(ram(), "fanout-model-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is in a directory for what is temporary
	e := new(ending)
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s, weak, dir)
		if weak == commitLate {
			w.lagBehind()
		}
		w.carryOut(e)
		w.bury()
		e.wrongs, e.trace = w.wrongs.list(), w.trace.String()
	})
	return e
}

// ram is a directory in memory, if there is one: marks of claims are written at every slot.
func ram() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return os.TempDir()
}

// request is the run's.
func (w *world) request() *fanoutv1.CreateRunRequest {
	return &fanoutv1.CreateRunRequest{RequestId: "the run", Plan: w.scenario.plan(), OnWorkerLoss: w.scenario.onLoss}
}

// carryOut starts everything, lets the events happen, waits for the run's end, and checks it.
func (w *world) carryOut(e *ending) {
	for _, n := range w.nodes {
		if err := n.start(w.fresh()); err != nil {
			w.wrongs.add("harness", "starting a worker: %v", err)
			return
		}
	}
	b := w.startBrain()
	if b == nil {
		return
	}
	created, err := b.coordinator.CreateRun(w.life, w.request())
	if err != nil {
		w.wrongs.add("harness", "CreateRun = %v", err)
		return
	}
	w.mu.Lock()
	w.runID = created.GetRun().GetId()
	w.mu.Unlock()
	w.memory.sync()
	b.observe(nil)
	for _, event := range w.scenario.events {
		w.befalls.Go(func() { w.befall(event) })
	}
	w.befalls.Wait()
	w.pause(time.Until(w.quiet), nil)
	w.revive()
	w.trace.note("--", "all is quiet")
	final := w.awaitEnd(e)
	e.looks = w.judge.looks()
	if final == nil {
		return
	}
	e.final, e.arrived = final, w.ledger.total()
	w.pause(keepalive+5*time.Second, nil)
	for _, n := range w.nodes {
		if p := n.current(); p != nil && p.active.Load() > 0 {
			w.wrongs.add("I14", "%s has %d calls though the run has ended", p.name, p.active.Load())
		}
	}
	// A worker that was lost goes on until its lease ends; what it sends is unknown, and the ledger knows its leases.
	if seen := w.ledger.total(); seen != e.arrived && final.GetTally().GetCounts().GetUnknown() == 0 {
		w.wrongs.add("I9", "the target saw %d requests after the run's end", seen-e.arrived)
	}
	w.judge.close(final)
	for _, b := range w.living() {
		w.judge.keeps(b, final)
	}
}

// awaitEnd waits until a coordinator shows the run's end, which has to come in time.
func (w *world) awaitEnd(e *ending) *fanoutv1.Run {
	bound := time.Now().Add(w.needs())
	for time.Now().Before(bound) {
		if final := w.judge.ended(); final != nil {
			e.slack = time.Until(bound)
			return final
		}
		w.pause(100*time.Millisecond, nil)
	}
	w.wrongs.add("I14", "the run has not ended %v after all was quiet", w.needs())
	return nil
}

// needs is how long a run may take after the last fault: what may be left of its load, with requests that take as long as they may;
// a lease until the silent are lost, another in which the run waits for workers, and what each RPC may take.
func (w *world) needs() time.Duration {
	s := w.scenario
	load := s.length + s.timeout
	if s.slots > 0 && s.shape != atOnce {
		each := s.service*3/2 + time.Duration(s.trouble*float64(s.timeout))
		load += time.Duration(s.slots) * each / time.Duration(max(s.concurrency, 4)/4)
	}
	return load + 2*s.lease + s.timeout + 15*time.Second
}

// bury ends all that lives.
func (w *world) bury() {
	for _, b := range w.living() {
		b.stop()
	}
	for _, n := range w.nodes {
		n.kill()
	}
	w.end()
	w.going.Wait()
}
