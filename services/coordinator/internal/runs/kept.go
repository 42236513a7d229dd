package runs

import (
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// kept is a run that the store has and that nobody carries out: it has ended, or another process carries it out and this one only
// reads.
func (r *Registry) kept(stored *store.Run) (*Run, error) {
	about, err := wire.DecodeNewRun(stored.About)
	if err != nil {
		return nil, err
	}
	about.Creator = stored.Creator
	found := newRun(r.config, *about, stored.ID, stored.Number, stored.Created)
	found.started, found.next, found.givenUp = stored.Started, stored.Next, stored.GivenUp
	if stored.Report == nil {
		if !stored.Started.IsZero() {
			found.state = run.Running
		}
		c := newConductor(found, stored.About, r.life, r.leave)
		defer c.cut()
		return found, c.restore(stored)
	}
	if found.final, err = wire.DecodeRun(stored.Report); err != nil {
		return nil, err
	}
	if found.final.Tally == nil {
		found.final.Tally = new(tally.Snapshot)
	}
	found.state = run.Ended
	close(found.ended)
	return found, nil
}
