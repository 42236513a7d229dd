package batch

import (
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// maxFolded is how many seconds are told apart while the stream stands still. Each is a tally of its own, and all of them are in
// the message that follows: two minutes of 10 KiB each are what a message can carry, and a connection whose peer says nothing
// for 15 s is given up anyway.
const maxFolded = 120

// folded is outcomes that are in no batch, by the second in which they came about. What comes after maxFolded seconds counts in the
// last one.
type folded struct {
	cells tally.Cells
	count int64
	first int64 // second of the first one
}

func (f *folded) add(o *outcome.Outcome, group string) {
	second := o.Second()
	if f.count == 0 {
		f.first = second
	}
	f.count++
	f.cells.Add(o, group, min(second, f.first+maxFolded-1))
}
