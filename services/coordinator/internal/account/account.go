// Package account is the account of one shard, made from the messages of its streams. It is plain data: no proto, no clock,
// no lock.
//
// The account is the newest tally by sequence, whichever stream brought it, plus the outcomes of the messages that follow it without
// a gap. Messages that repeat are dropped by their sequence. A stream that broke may have lost messages: the next tally accounts for
// them. Whatever does not add up is noted by name, and makes the run incomplete.
package account

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Account is the account of one shard. One goroutine at a time may use it.
type Account struct {
	endless bool  // granted slots that nobody claimed are none
	granted int64 // slots
	groups  []string

	sequence int64
	gap      bool         // messages are missing since the newest tally
	streams  int          // that have begun
	base     *tally.Tally // the newest tally
	baseAt   int64        // its sequence
	baseRows int64        // received before it
	tail     tally.Cells  // the outcomes since
	tailLen  int64        // how many they are
	rows     int64        // received in all
	seconds  seconds

	finished bool
	died     bool           // the worker's process did: claimed of the slots were begun at most
	lost     bool           // the worker is silent; what it has not told is unknown
	claimed  int64          // see died
	unknown  int64          // of a shard that is finished and left slots out
	reason   outcome.Reason // why slots that never reached the worker were not sent

	// Fault is the first thing that did not add up; "" is none.
	Fault string
}

// New makes the account of a shard of requests in these groups, which has been granted nothing yet. Of a run that is endless only
// time ends the slots.
func New(endless bool, groups []string) *Account {
	return &Account{endless: endless, groups: groups, base: new(tally.Tally), reason: outcome.NotSentLeaseLost}
}

// Grant notes that the shard is granted n more slots. Those of a shard that is finished, which who grants need not know yet, never reach
// the worker.
func (a *Account) Grant(n int64) {
	a.granted += n
	if a.finished && !a.died {
		a.leaveOut(n)
	}
}

// leaveOut accounts for slots that the worker finished without.
func (a *Account) leaveOut(n int64) {
	if a.endless {
		return
	}
	a.base.AddNotSent(a.reason, n)
	a.base.Folded += n
}

// Outcomes adds a batch.
func (a *Account) Outcomes(sequence int64, rows []outcome.Outcome) {
	if !a.follows(sequence) {
		return
	}
	a.rows += int64(len(rows))
	if a.gap {
		return // they are in the next tally
	}
	for i := range rows {
		o := &rows[i]
		if int(o.Request) >= len(a.groups) || o.Request < 0 {
			a.fault("slot %d has request %d, which the plan has not", o.Slot, o.Request)
			continue
		}
		a.tail.Add(o, a.groups[o.Request], a.seconds.of(o))
		a.tailLen++
	}
	if settled := a.settled(); settled > a.granted {
		a.fault("message %d makes %d outcomes of %d slots that were granted", sequence, settled, a.granted)
	}
}

// Tally replaces the account so far by what the worker says.
func (a *Account) Tally(sequence int64, s *tally.Snapshot) {
	if !a.follows(sequence) {
		return
	}
	t, err := s.Tally()
	if err != nil {
		a.fault("message %d has a malformed tally: %v", sequence, err)
		return
	}
	a.check(sequence, t)
	if err := a.seconds.replace(s.Seconds); err != nil {
		a.fault("message %d: %v", sequence, err)
	}
	a.base, a.baseAt, a.baseRows = t, sequence, a.rows
	a.tail, a.tailLen, a.gap = tally.Cells{}, 0, false
}

// Started notes the first message of a stream. Messages before it may have been lost with another one, or have gone to an earlier life
// of the coordinator, which opened the shard and died before it had stored that.
func (a *Account) Started(sequence int64) {
	a.streams++
	if sequence > a.sequence+1 && !a.finished {
		a.gap, a.sequence = true, sequence-1
	}
	a.follows(sequence)
}

// Finished is the last tally: the shard's account is complete. granted is how many slots the worker knew of; the others never reached
// it, and were not sent for the given reason. Slots of which it does not say what became are unknown.
func (a *Account) Finished(sequence int64, s *tally.Snapshot, granted int64, reason outcome.Reason) {
	if a.finished {
		a.follows(sequence)
		return
	}
	a.Tally(sequence, s)
	if c := a.base.Counts; c.Pending != 0 || c.InFlight != 0 || c.Unknown != 0 {
		a.fault("the final tally has slots without an outcome: %v", c)
	}
	if c := a.base.Counts; !a.endless && c.Settled() < granted {
		a.fault("the final tally has outcomes of %d slots, of %d that the worker was granted", c.Settled(), granted)
	}
	if granted > a.granted {
		a.fault("the worker was granted %d slots, and says %d", a.granted, granted)
	}
	a.reason = reason
	a.leaveOut(max(a.granted-granted, 0))
	if !a.endless {
		a.unknown = max(a.granted-a.settled(), 0)
	}
	a.finished = true
	a.end()
}

// Died says that the worker's process died after it had begun so many slots at most: what has no outcome of them is unknown, and the
// others were not sent.
func (a *Account) Died(claimed int64) {
	if a.finished {
		return
	}
	a.claimed = max(min(claimed, a.granted), a.settled())
	a.finished, a.died = true, true
	a.end()
}

// end makes the account and its seconds final, the outcomes since the last tally included, and holds one against the other.
func (a *Account) end() {
	a.seconds.end(&a.tail)
	a.tail.SumInto(a.base)
	a.base.Records += a.tailLen
	a.baseRows += a.tailLen
	a.baseAt = a.sequence
	a.tail, a.tailLen = tally.Cells{}, 0
	if c := a.base.Counts; a.seconds.closed != c.Responses+c.Errors {
		a.fault("the seconds have %d outcomes, and the tally %d", a.seconds.closed, c.Responses+c.Errors)
	}
}

// Lose says that the worker is silent: what has no outcome is unknown. What it tells later still counts.
func (a *Account) Lose() { a.lost = true }

// End says that nothing more will be taken. What has no outcome stays unknown.
func (a *Account) End() {
	if a.finished {
		return
	}
	a.lost = true
	a.unknown = max(a.granted-a.settled(), 0)
	a.finished = true
	a.end()
}

// Current is the account as it is: a copy of the caller's own.
func (a *Account) Current() *tally.Tally {
	t := a.base.Clone()
	inFlight := t.Counts.InFlight
	t.Counts = tally.Counts{Responses: t.Counts.Responses, Errors: t.Counts.Errors, NotSent: t.Counts.NotSent}
	a.tail.SumInto(t)
	t.Lost = max(t.Records-a.baseRows, 0)
	t.Records += a.tailLen
	left := max(a.granted-t.Counts.Settled(), 0)
	switch c := &t.Counts; {
	case a.died:
		c.Unknown = a.claimed - c.Settled()
		if !a.endless {
			t.AddNotSent(outcome.NotSentLeaseLost, a.granted-a.claimed)
		}
	case a.finished:
		c.Unknown = a.unknown
	case a.lost:
		c.Unknown = left
	case a.endless:
		c.InFlight = min(max(inFlight, 0), left)
	default:
		c.InFlight = min(max(inFlight, 0), left)
		c.Pending = left - c.InFlight
	}
	c := &t.Counts
	c.Planned = c.Settled() + c.InFlight + c.Pending + c.Unknown
	return t
}

// Begun is about how many of them the worker has begun.
func (a *Account) Begun() int64 {
	return min(a.settled()+max(a.base.Counts.InFlight, 0), a.granted)
}

// Settled is how many of them have an outcome.
func (a *Account) Settled() int64 { return a.settled() }

func (a *Account) settled() int64 { return a.base.Counts.Settled() + a.tailLen }

// follows reports whether the message is new, and notes a gap before it. Nothing follows the final tally.
func (a *Account) follows(sequence int64) bool {
	if sequence <= a.sequence {
		return false
	}
	if a.finished {
		a.fault("message %d came after the final tally", sequence)
		return false
	}
	if sequence != a.sequence+1 {
		a.gap = true
		a.fault("message %d came after message %d: %d are missing", sequence, a.sequence, sequence-a.sequence-1)
	}
	a.sequence = sequence
	return true
}

func (a *Account) fault(format string, args ...any) {
	if a.Fault == "" {
		a.Fault = fmt.Sprintf(format, args...)
	}
}
