//go:build unix

package e2e

import (
	"os"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// Four workers of six are lost one after the other, and one of them comes back with nothing: it joins, and sends. What is unknown is
// what the four were granted, and every other slot has a response.
func TestFaultFourWorkersLost(t *testing.T) {
	full(t)
	t.Parallel()
	const workers, perSecond, seconds = 6, 300, 45
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, workers, nil)
	run := c.begin(t, rate(perSecond, seconds, j.URL()+"/delay/20ms")...)
	for k := range int64(4) {
		j.await(t, (2+3*k)*perSecond)
		c.workers[k].mustKill(t)
	}
	j.await(t, 20*perSecond)
	back := c.workers[0]
	if err := os.RemoveAll(back.args[2]); err != nil {
		t.Fatal(err)
	}
	back.start(t)
	begun := j.first()
	r, code := run.end(t, 2*time.Minute)
	j.hold(t, r)
	// The parts grow while the workers become fewer: half of the load at most, for a lease and a renewal each.
	if code != 3 || r.Counts.Planned != perSecond*seconds || r.Counts.Responses+r.Counts.Unknown != perSecond*seconds ||
		r.Counts.Unknown == 0 || r.Counts.Unknown > 4*oneLease(perSecond, 2) {
		t.Errorf("run = exit %d, %+v, errors %+v, not sent %+v, want 3, and responses and unknown slots alone", code, r.Counts, r.Errors, r.NotSent)
	}
	// Its clock began after the run did.
	if took := j.last() - begun; took > seconds*time.Second+5*time.Second {
		t.Errorf("the last request arrived %v after the first, want %d s: those of the worker that joined are late", took, seconds)
	}
	for _, w := range c.workers[:4] {
		r.lost(t, w.address)
	}
	if len(r.Workers) != workers+1 || r.Workers[workers].Address != back.address || r.Workers[workers].Counts.Responses == 0 {
		t.Errorf("workers = %+v, want the one that came back as a seventh, with responses", r.Workers)
	}
	c.isCalm(t)
}
