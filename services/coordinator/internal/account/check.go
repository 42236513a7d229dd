package account

import (
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// check holds a tally against what came before it and against itself.
func (a *Account) check(sequence int64, t *tally.Tally) {
	c := t.Counts
	settled := c.Settled()
	if !c.Closed() {
		a.fault("message %d has counts that do not add up: %v", sequence, c)
	}
	if c.Planned > a.granted {
		a.fault("message %d accounts for %d slots of %d that were granted", sequence, c.Planned, a.granted)
	}
	if t.Records+t.Folded != settled {
		a.fault("message %d has %d outcomes, but %d in batches and %d folded", sequence, settled, t.Records, t.Folded)
	}
	if a.rows > t.Records || a.rows < t.Records && a.streams < 2 {
		a.fault("message %d says that %d outcomes were sent, and %d were received", sequence, t.Records, a.rows)
	}
	a.checkParts(sequence, t)
	a.checkForward(sequence, t)
}

// checkParts holds the parts of a tally against its counts.
func (a *Account) checkParts(sequence int64, t *tally.Tally) {
	var responses, errors, notSent int64
	for _, n := range t.ByStatus {
		responses += n
	}
	for _, e := range t.Errors {
		errors += e.Count
	}
	for _, n := range t.NotSent {
		notSent += n
	}
	if c := t.Counts; responses != c.Responses || errors != c.Errors || notSent != c.NotSent {
		a.fault("message %d has %d responses by status, %d errors by class and %d slots by reason, but its counts are %v",
			sequence, responses, errors, notSent, c)
	}
}

// checkForward holds a tally against the account before it: nothing goes back, and what came as outcomes is in it. What is more
// than those has to be folded.
func (a *Account) checkForward(sequence int64, t *tally.Tally) {
	if a.gap {
		return
	}
	tail, tailErrors := a.tail.Count()
	responses, errors, notSent := a.base.Counts.Responses+tail.Responses, a.base.Counts.Errors+tail.Errors, a.base.Counts.NotSent+tail.NotSent
	folded := t.Folded - a.base.Folded
	if c := t.Counts; c.Responses < responses || c.Errors < errors || c.NotSent < notSent || c.Settled() != responses+errors+notSent+folded {
		a.fault("message %d has %d responses, %d errors and %d slots not sent, but the outcomes before it make %d, %d and %d, and %d were folded since",
			sequence, c.Responses, c.Errors, c.NotSent, responses, errors, notSent, folded)
	}
	for class := outcome.Class(1); class < outcome.ClassCount; class++ {
		got, least := count(t, class), count(a.base, class)+tailErrors[class]
		if got < least || folded == 0 && got > least {
			a.fault("message %d has %d errors of class %v, but the outcomes before it make %d", sequence, got, class, least)
		}
	}
}

func count(t *tally.Tally, class outcome.Class) int64 {
	if e := t.Errors[class]; e != nil {
		return e.Count
	}
	return 0
}
