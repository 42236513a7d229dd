package tally_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Whatever the seconds in which outcomes come about, cells have all of them, and count what they come to.
func TestCells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			cells tally.Cells
			want  tally.Tally
		)
		rows := drawRows(t)
		for i := range rows {
			want.Add(&rows[i].Outcome, rows[i].Group)
			cells.Add(&rows[i].Outcome, rows[i].Group, rapid.Int64Range(0, 3).Draw(t, "second"))
		}
		var got tally.Tally
		cells.SumInto(&got)
		sameSnapshot(t, &got, &want)
		counts, errors := cells.Count()
		if counts != want.Counts {
			t.Fatalf("Count() = %v, want %v", counts, want.Counts)
		}
		for class, n := range errors {
			if e := want.Errors[outcome.Class(class)]; n > 0 && (e == nil || e.Count != n) || n == 0 && e != nil {
				t.Fatalf("Count() has %d errors of class %v, want %+v", n, outcome.Class(class), e)
			}
		}
	})
}
