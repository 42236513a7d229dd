package runs

import (
	"encoding/json"
	"fmt"

	"github.com/fanout-load/fanout/services/coordinator/internal/account"
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// take is what is to be stored of a shard as it is now: its account, the seconds that are complete, and what else is known of it. The
// tally of a shard that goes on is for a later life of the coordinator; a store that ends with this one need not have it.
func (c *conductor) take(s *shard, end bool) (account.Saved, map[int64]*tally.Tally, savedShard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	over, _ := s.account.TakeSeconds()
	saved := s.account.Save(c.config.Durable || end || s.hold.finished)
	state := savedShard{
		Original: s.hold.original, Lost: s.hold.lost, Begin: s.begin,
		Failure: s.failure, Effort: s.effort, Offset: s.offset, Blocked: s.blocked, Account: saved,
	}
	state.Account.Tally = nil
	return saved, over, state
}

// restore makes the run's shards as they were stored.
func (c *conductor) restore(stored *store.Run) error {
	c.series.next = stored.Intervals
	for _, row := range stored.Shards {
		var state savedShard
		if err := json.Unmarshal([]byte(row.State), &state); err != nil {
			return fmt.Errorf("reading stored shard %d: %w", row.Index, err)
		}
		s := c.place(row.Address, row.Concurrency, state.Original)
		s.id, s.instance = row.ID, row.InstanceID
		s.failure, s.effort, s.offset, s.begin, s.blocked = state.Failure, state.Effort, state.Offset, state.Begin, state.Blocked
		h := &s.hold
		h.lease, h.changes, h.lost, h.sequence, h.acked = row.LeaseID, row.Changes, state.Lost, row.Sequence, row.Acked
		h.answered, h.lastAnswer = false, c.since
		for _, g := range stored.Grants {
			if g.Shard == row.Index {
				h.unknown = append(h.unknown, g)
				h.granted += g.Count
			}
		}
		h.stored = h.granted
		if err := c.restoreAccount(s, row, state.Account); err != nil {
			return fmt.Errorf("stored shard %d: %w", row.Index, err)
		}
		h.finished = state.Account.Finished || row.LeaseID == ""
		h.closed, h.saved, h.dirty = h.finished, h.finished, false
		c.series.advance(s.index, row.Acked)
		if h.finished || h.lost {
			c.series.leave(s.index)
		}
	}
	for _, row := range stored.Seconds {
		snapshot, err := wire.DecodeSnapshot(row.Tally)
		if err != nil {
			return err
		}
		t, err := snapshot.Tally()
		if err != nil {
			return fmt.Errorf("stored second %d: %w", row.Second, err)
		}
		c.series.add(row.Second, t)
	}
	c.exhausted = c.next == c.slots.Slots() && c.slots.Slots() != schedule.Unbounded
	c.deferAgain()
	return nil
}

func (c *conductor) restoreAccount(s *shard, row store.Shard, saved account.Saved) error {
	if row.Tally != nil {
		snapshot, err := wire.DecodeSnapshot(row.Tally)
		if err != nil {
			return err
		}
		saved.Tally = snapshot
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.account.Restore(saved, s.hold.granted); err != nil {
		return err
	}
	if s.hold.lost {
		s.account.Lose()
	}
	return nil
}
