package batch

import (
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// book is the tally of a call, kept by the second in which an outcome came about.
//
// A second is complete when a tally has been made after a moment at which the second had ended, no sender waited with an outcome for
// room in the queue, and after which the queue was emptied. Nothing is added to it any more: an outcome whose sender stood still for
// longer than that counts in the first second that is not complete. A second is sent whole in each tally until it is dropped.
type book struct {
	over     tally.Tally // outcomes of the seconds that were dropped, and what is no outcome's
	cells    tally.Cells
	sum      tally.Tally // of the two, made anew by total
	complete int64       // all outcomes of the seconds before it are in the cells
	first    int64       // the seconds before it are complete
}

// observe is called before the queue is emptied, with the time since the run's start.
func (b *book) observe(now time.Duration, waiting bool) {
	if !waiting {
		b.complete = int64(max(now, 0) / time.Second)
	}
}

func (b *book) add(o *outcome.Outcome, group string) {
	b.cells.Add(o, group, max(o.Second(), b.first))
}

// fold adds outcomes that are in no batch.
func (b *book) fold(f *folded) {
	b.cells.Merge(&f.cells, b.first)
	b.over.Folded += f.count
}

// total is all outcomes. It is the caller's until it is called again: twice a second new memory for all histograms would make
// senders late, since the system has to find it.
func (b *book) total() *tally.Tally {
	b.sum.Reset()
	b.sum.Merge(&b.over)
	b.cells.SumInto(&b.sum)
	return &b.sum
}

// seconds is the seconds that were not dropped, with the one that now is in. Those that can be are complete from now on; the first of
// the others is told even if it is empty, since whoever reads the tallies takes all before the first that is open for complete.
func (b *book) seconds(now time.Duration) []tally.Second {
	b.first = max(b.first, b.complete)
	if now >= 0 {
		b.cells.Cell(b.first)
		b.cells.Cell(max(int64(now/time.Second), b.first))
	}
	var all []tally.Second
	for _, second := range b.cells.Seconds() {
		all = append(all, tally.Second{
			Second: second, Tally: b.cells.Cell(second).Figures(true), Complete: second < b.first,
		})
	}
	return all
}

// drop drops the complete seconds before the given one: whoever reads the tallies has them.
func (b *book) drop(before int64) {
	for _, second := range b.cells.Seconds() {
		if second < min(before, b.first) {
			b.over.Merge(b.cells.Take(second))
		}
	}
}

// bound drops the oldest complete seconds of more than a message can carry: nobody has asked for them for two minutes.
func (b *book) bound() {
	if all := b.cells.Seconds(); len(all) > maxFolded {
		b.first = max(b.first, b.complete)
		b.drop(all[len(all)-maxFolded])
	}
}
