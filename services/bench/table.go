package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	text "github.com/fanout-load/fanout/services/internal/report"
)

// table is a table of Markdown, padded so that people can read it as it is.
type table struct {
	columns []string
	words   int // columns at the left that hold words; the others hold figures. 0 is one
	rows    [][]string
}

// row adds a row. Cells that are missing are empty; more than there are columns are a mistake of the caller.
func (t *table) row(cells ...string) {
	if len(cells) > len(t.columns) {
		panic(fmt.Sprintf("%d cells in a table of %d columns", len(cells), len(t.columns)))
	}
	t.rows = append(t.rows, append(cells, make([]string, len(t.columns)-len(cells))...))
}

// String is the table, words to the left and figures to the right.
func (t *table) String() string {
	widths := make([]int, len(t.columns))
	for _, row := range append([][]string{t.columns}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(escape(cell)))
		}
	}
	var s strings.Builder
	t.writeRow(&s, t.columns, widths)
	for i, width := range widths {
		line := strings.Repeat("-", width+1)
		if t.isWord(i) {
			s.WriteString("|" + line + "-")
		} else {
			s.WriteString("|" + line + ":")
		}
	}
	s.WriteString("|\n")
	for _, row := range t.rows {
		t.writeRow(&s, row, widths)
	}
	return s.String()
}

func (t *table) isWord(column int) bool { return column < max(t.words, 1) }

func (t *table) writeRow(s *strings.Builder, cells []string, widths []int) {
	for i, cell := range cells {
		cell = escape(cell)
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.isWord(i) {
			s.WriteString("| " + cell + pad + " ")
		} else {
			s.WriteString("| " + pad + cell + " ")
		}
	}
	s.WriteString("|\n")
}

// escape keeps a cell in its cell.
func escape(cell string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(cell)
}

// The forms of figures, the same in all tables.

func micros(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Microsecond)) }

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond)) }
func ratio(x float64) string        { return fmt.Sprintf("%.3f", x) }
func fineRatio(x float64) string    { return fmt.Sprintf("%.4f", x) }
func mebibytes(n int64) string      { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

// count is a number with commas between its thousands.
func count(n int64) string { return text.Number(n) }

// rounds is a number of rounds in words.
func rounds(n int) string { return text.Count(int64(n), "round") }

// between is the least and the greatest of values.
func between(s spread, form func(float64) string) string {
	return form(s.least) + " – " + form(s.most)
}
