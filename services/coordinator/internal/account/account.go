// Package account is the account of one shard, made from the messages of its stream. It is plain data: no proto, no clock,
// no lock.
//
// The account is the newest tally plus the outcomes of the messages that follow it without a gap. Messages that repeat are
// dropped by their sequence. Whatever does not add up is noted by name, and makes the run incomplete.
package account

import (
	"fmt"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Account is the account of one shard. One goroutine at a time may use it.
type Account struct {
	granted int64 // slots; schedule.Unbounded without end
	groups  []string

	sequence int64
	gap      bool         // messages are missing since the newest tally
	base     *tally.Tally // the newest tally
	tail     tally.Cells  // the outcomes since
	tailLen  int64        // how many they are
	rows     int64        // received in all
	seconds  seconds

	finished bool
	lost     bool
	unknown  int64 // of a shard that is lost, or whose final tally leaves slots out

	// Fault is the first thing that did not add up; "" is none.
	Fault string
}

// New makes the account of a shard that was granted so many slots (schedule.Unbounded without end) of requests in these
// groups.
func New(granted int64, groups []string) *Account {
	return &Account{granted: granted, groups: groups, base: new(tally.Tally)}
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
	a.base, a.tail, a.tailLen, a.gap = t, tally.Cells{}, 0, false
}

// Started notes the stream's first message.
func (a *Account) Started(sequence int64) { a.follows(sequence) }

// Finished is the last tally: the shard's account is complete. Slots of which it does not say what became are unknown.
func (a *Account) Finished(sequence int64, s *tally.Snapshot) {
	if a.finished {
		a.follows(sequence)
		return
	}
	a.Tally(sequence, s)
	if c := a.base.Counts; c.Pending != 0 || c.InFlight != 0 || c.Unknown != 0 {
		a.fault("the final tally has slots without an outcome: %v", c)
	}
	if a.granted != schedule.Unbounded {
		a.unknown = max(a.granted-a.settled(), 0)
	} else {
		a.unknown = max(a.base.Counts.InFlight, 0)
	}
	a.finished = true
	a.seconds.end(&a.tail)
	if c := a.base.Counts; a.seconds.closed != c.Responses+c.Errors {
		a.fault("the seconds have %d outcomes, and the final tally %d", a.seconds.closed, c.Responses+c.Errors)
	}
}

// Complete reports whether the account is complete.
func (a *Account) Complete() bool { return a.finished }

// Lose says that nothing more will come. What has no outcome is unknown from now on; of a shard without end that is what
// was in flight, of which inFlight is the caller's guess for a worker that never sent a tally.
func (a *Account) Lose(inFlight int64) {
	if a.finished || a.lost {
		return
	}
	settled := a.settled()
	switch {
	case a.granted != schedule.Unbounded:
		a.unknown = max(a.granted-settled, 0)
	case a.base.Counts.Planned > 0:
		a.unknown = max(a.base.Counts.InFlight, 0)
	default:
		a.unknown = inFlight
	}
	a.lost = true
	a.seconds.end(&a.tail)
}

// GiveUp says that the shard never started: all its slots are not sent. What is lost stays lost.
func (a *Account) GiveUp(reason outcome.Reason) {
	if a.lost {
		return
	}
	a.base, a.tail, a.tailLen, a.finished = new(tally.Tally), tally.Cells{}, 0, true
	if a.granted != schedule.Unbounded {
		a.base.AddNotSent(reason, a.granted)
	}
	a.seconds.end(&a.tail)
}

// Current is the account as it is: a copy of the caller's own.
func (a *Account) Current() *tally.Tally {
	t := a.base.Clone()
	inFlight := t.Counts.InFlight
	t.Counts = tally.Counts{Responses: t.Counts.Responses, Errors: t.Counts.Errors, NotSent: t.Counts.NotSent}
	a.tail.SumInto(t)
	t.Records = a.rows
	settled := t.Counts.Settled()
	switch {
	case a.lost, a.finished:
		t.Counts.Unknown = a.unknown
	case a.granted == schedule.Unbounded:
		t.Counts.InFlight = max(inFlight, 0)
	default:
		left := max(a.granted-settled, 0)
		t.Counts.InFlight = min(max(inFlight, 0), left)
		t.Counts.Pending = left - t.Counts.InFlight
	}
	t.Counts.Planned = settled + t.Counts.InFlight + t.Counts.Pending + t.Counts.Unknown
	return t
}

// Granted is the number of slots of the shard, or schedule.Unbounded.
func (a *Account) Granted() int64 { return a.granted }

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
