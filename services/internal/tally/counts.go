package tally

import "fmt"

// Counts say where the slots of a run, shard or group are. Planned = Pending + InFlight + Responses + Errors + NotSent +
// Unknown, at every moment.
type Counts struct {
	Planned   int64
	Pending   int64
	InFlight  int64
	Responses int64
	Errors    int64
	NotSent   int64
	Unknown   int64
}

// Settled is the slots that have an outcome.
func (c Counts) Settled() int64 { return c.Responses + c.Errors + c.NotSent }

// Closed reports whether the counts add up.
func (c Counts) Closed() bool {
	return c.Planned == c.Pending+c.InFlight+c.Settled()+c.Unknown
}

// String is the counts in one line, for messages on an account that does not add up.
func (c Counts) String() string {
	return fmt.Sprintf("planned %d, pending %d, in flight %d, responses %d, errors %d, not sent %d, unknown %d",
		c.Planned, c.Pending, c.InFlight, c.Responses, c.Errors, c.NotSent, c.Unknown)
}

func (c *Counts) merge(o Counts) {
	c.Planned += o.Planned
	c.Pending += o.Pending
	c.InFlight += o.InFlight
	c.Responses += o.Responses
	c.Errors += o.Errors
	c.NotSent += o.NotSent
	c.Unknown += o.Unknown
}
