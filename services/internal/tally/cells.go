package tally

import (
	"maps"
	"slices"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Cells is tallies of outcomes by the second in which they came about. An outcome is recorded once, in its cell; what all cells
// come to is summed up when somebody asks, which is twice a second and not for each outcome. The zero value is empty and
// ready. One goroutine at a time may use it.
type Cells struct {
	unsent Tally // slots that were not sent, which came about at no time
	cells  map[int64]*Tally
	second int64 // of cell
	cell   *Tally
}

// Add adds an outcome to the cell of the second, and to its group there unless that is "".
func (c *Cells) Add(o *outcome.Outcome, group string, second int64) {
	if o.NotSent != outcome.Sent {
		c.unsent.Add(o, group)
		return
	}
	c.Cell(second).Add(o, group)
}

// Cell is the cell of a second, which is made when it is not there.
func (c *Cells) Cell(second int64) *Tally {
	if c.cell != nil && c.second == second {
		return c.cell
	}
	t := c.cells[second]
	if t == nil {
		if c.cells == nil {
			c.cells = make(map[int64]*Tally)
		}
		t = new(Tally)
		c.cells[second] = t
	}
	c.second, c.cell = second, t
	return t
}

// Merge adds all outcomes of o, which is of no use afterwards. Those of the seconds before first go to first.
func (c *Cells) Merge(o *Cells, first int64) {
	c.unsent.Merge(&o.unsent)
	for second, cell := range o.cells {
		c.Cell(max(second, first)).Merge(cell)
	}
}

// SumInto adds all outcomes to t.
func (c *Cells) SumInto(t *Tally) {
	t.Merge(&c.unsent)
	for _, cell := range c.cells {
		t.Merge(cell)
	}
}

// Count is how many outcomes there are, and the errors among them by class: SumInto's without the histograms.
func (c *Cells) Count() (counts Counts, errors [outcome.ClassCount]int64) {
	counts = c.unsent.Counts
	for _, cell := range c.cells {
		counts.merge(cell.Counts)
		for class, e := range cell.Errors {
			errors[class] += e.Count
		}
	}
	return counts, errors
}

// Seconds is the seconds that have a cell, ascending.
func (c *Cells) Seconds() []int64 { return slices.Sorted(maps.Keys(c.cells)) }

// Take removes the cell of a second and returns it; nil if there is none.
func (c *Cells) Take(second int64) *Tally {
	t := c.cells[second]
	delete(c.cells, second)
	c.cell = nil
	return t
}
