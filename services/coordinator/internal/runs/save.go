package runs

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/account"
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// savedShard is what is stored of a shard beside its numbers and its tally.
type savedShard struct {
	Original bool
	Lost     bool
	Begin    time.Duration
	Failure  *run.Failure
	Effort   *run.Effort
	Offset   *time.Duration
	Blocked  string
	Account  account.Saved // without its tally
}

// save stores what has changed, and then renews all leases. One transaction at a time goes on; what changes meanwhile is in the next.
func (c *conductor) save() {
	if c.saving {
		c.again = true
		return
	}
	change, kept, err := c.collect(false)
	if err != nil {
		c.failed = "what is to be stored of the run cannot be encoded: " + err.Error()
		c.stopped, c.stopSaved = true, true
		c.renewAll()
		return
	}
	c.saving, c.again, c.savingFrom = true, false, time.Now()
	c.unsaved = c.merged(change)
	c.onKept = kept
	done, unsaved := make(chan error, 1), c.unsaved
	c.done = done
	c.spawn(func() { done <- c.config.Store.Commit(c.ctx, unsaved) })
}

// awaitSaved waits for the transaction that goes on, unless the store has stalled.
func (c *conductor) awaitSaved() {
	if c.saving && !c.isStalled(time.Now()) {
		c.again = false // who waits stores all that there is
		c.saved(<-c.done)
	}
}

// isStalled reports whether a transaction has taken so long that the leases of what it grants would be over.
func (c *conductor) isStalled(now time.Time) bool {
	return c.saving && now.Sub(c.savingFrom) > c.patience()
}

// patience is how long the store may take nothing before the run is stopped, which has to happen within one lease.
func (c *conductor) patience() time.Duration { return max(c.config.Lease-2*tick, c.config.Lease/2) }

// saved goes on after a transaction.
func (c *conductor) saved(err error) {
	c.saving, c.done = false, nil
	switch {
	case err == nil:
		c.unsaved, c.broken = store.Change{}, time.Time{}
		c.onKept()
	case errors.Is(err, store.ErrFenced):
		c.over, c.leaving = true, true
		c.config.Fenced()
		return
	case c.ctx.Err() != nil:
		return
	default:
		if c.broken.IsZero() {
			c.broken = time.Now()
		}
		c.config.Log.Error("storing a run", "run_id", c.id, "error", err)
		c.storeError = err
		c.stopSaved = c.stopped // stopping harms nobody
	}
	c.renewAll()
	if c.again && err == nil {
		c.save()
	}
}

// checkStore stops a run that could not be stored for as long as the store has patience: nothing has been granted since.
func (c *conductor) checkStore(now time.Time) {
	stalled := c.isStalled(now)
	switch {
	case c.stopped && stalled:
		c.stopSaved = true // stopping harms nobody
	case c.stopped:
	case stalled:
		c.failed = "the run was stopped, since the store took nothing for " + c.patience().String() + "; look at the disk of --store"
	case !c.broken.IsZero() && now.Sub(c.broken) >= c.patience():
		c.failed = "the run was stopped, since the store failed: " + c.storeError.Error()
	}
	if c.failed != "" && !c.stopped {
		c.stopped, c.stopSaved = true, true
	}
}

// merged is the change with what a failed transaction had before it.
func (c *conductor) merged(change store.Change) store.Change {
	old := c.unsaved
	change.Shards = append(old.Shards, change.Shards...)
	change.Grants = append(old.Grants, change.Grants...)
	change.Seconds = append(old.Seconds, change.Seconds...)
	change.Intervals = append(old.Intervals, change.Intervals...)
	return change
}

// collect is what has changed since it was asked last, and what holds once that is stored.
func (c *conductor) collect(end bool) (change store.Change, kept func(), err error) {
	change = store.Change{RunID: c.id, Head: c.head()}
	var after []func()
	for _, s := range c.shards {
		h := &s.hold
		saved, over, state := c.take(s, end)
		for second, t := range over {
			if c.config.Durable {
				encoded, err := wire.EncodeSnapshot(t.Figures(true))
				if err != nil {
					return change, nil, err
				}
				change.Seconds = append(change.Seconds, store.Second{Shard: s.index, Second: second, Tally: encoded})
			}
			c.series.add(second, t)
		}
		c.series.advance(s.index, saved.Acked)
		if h.lost || h.finished {
			c.series.leave(s.index)
		}
		change.Grants = append(change.Grants, h.unsaved()...)
		if h.dirty || saved.Sequence != h.sequence || len(over) > 0 || end {
			row, err := c.row(s, saved, state)
			if err != nil {
				return change, nil, err
			}
			change.Shards = append(change.Shards, row)
		}
		h.dirty = false
		granted, finished := h.granted, h.finished
		after = append(after, func() {
			h.stored, h.acked, h.sequence, h.saved = granted, saved.Acked, saved.Sequence, finished
		})
	}
	change.Intervals, err = c.series.complete(end)
	stopped := c.stopped
	begun := !c.start.IsZero()
	return change, func() {
		for _, f := range after {
			f()
		}
		if stopped && !c.stopSaved {
			c.stopSaved = true
			close(c.stopKept)
		}
		if begun {
			c.begun()
		}
	}, err
}

// head is the run's own row.
func (c *conductor) head() *store.Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &store.Head{ID: c.id, About: c.encoded, Started: c.started, Next: c.next, GivenUp: c.givenUp, Cancelled: c.whyCancelled()}
}

// row is the shard's row.
func (c *conductor) row(s *shard, saved account.Saved, state savedShard) (store.Shard, error) {
	h := &s.hold
	row := store.Shard{
		Index: s.index, ID: s.id, Address: s.address, InstanceID: s.instance, LeaseID: h.lease, Concurrency: h.concurrency,
		Changes: h.changes, Sequence: saved.Sequence, Rows: saved.Rows, Closed: saved.Closed, Acked: saved.Acked,
	}
	var err error
	if saved.Tally != nil {
		if row.Tally, err = wire.EncodeSnapshot(saved.Tally); err != nil {
			return row, err
		}
	}
	encoded, err := json.Marshal(state)
	if err != nil {
		return row, err
	}
	row.State = string(encoded)
	return row, nil
}
