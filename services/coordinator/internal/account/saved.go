package account

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Saved is what of an account is stored: a later life of the coordinator goes on from it. Outcomes that follow the tally are not in it;
// the next tally has them.
type Saved struct {
	Sequence int64           // of Tally
	Tally    *tally.Snapshot // with the seconds that may still change; nil: none came, or it was not asked for
	Rows     int64           // received before it
	Closed   int64           // outcomes in the seconds that are complete
	Acked    int64           // the seconds before it are complete

	Finished bool
	Died     bool
	Claimed  int64
	Unknown  int64
	Reason   outcome.Reason
}

// Save is what has to be stored of the account as it is, its tally only if it is asked for: that is most of the work. The seconds that
// TakeSeconds has given away belong to it.
func (a *Account) Save(whole bool) Saved {
	s := Saved{
		Sequence: a.baseAt, Rows: a.baseRows, Closed: a.seconds.closed, Acked: a.seconds.first,
		Finished: a.finished, Died: a.died, Claimed: a.claimed, Unknown: a.unknown, Reason: a.reason,
	}
	if whole && a.baseAt > 0 {
		s.Tally = a.base.Snapshot(true)
		for second, t := range a.seconds.open {
			s.Tally.Seconds = append(s.Tally.Seconds, tally.Second{Second: second, Tally: t.Figures(true)})
		}
	}
	return s
}

// Restore makes the account that was saved, of a shard that was granted so many slots.
func (a *Account) Restore(s Saved, granted int64) error {
	a.granted = granted
	a.sequence, a.baseAt, a.rows, a.baseRows = s.Sequence, s.Sequence, s.Rows, s.Rows
	a.seconds.closed, a.seconds.first = s.Closed, s.Acked
	a.streams = 1 // whose messages may have been lost
	a.finished, a.died, a.claimed, a.unknown = s.Finished, s.Died, s.Claimed, s.Unknown
	if s.Reason != outcome.Sent {
		a.reason = s.Reason
	}
	if s.Tally == nil {
		return nil
	}
	t, err := s.Tally.Tally()
	if err != nil {
		return fmt.Errorf("the stored tally is malformed: %w", err)
	}
	a.base = t
	return a.seconds.replace(s.Tally.Seconds)
}
