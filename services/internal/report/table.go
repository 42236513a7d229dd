package report

import (
	"slices"
	"strings"
)

// table is rows of cells in aligned columns, two spaces apart. All cells are clean.
type table struct {
	columns []column
	rows    []row
}

// column is one column of a table. The first is always set to the left, and is the one that is cut when all are too wide.
type column struct {
	head string // of all columns "": the table has no line of heads
	left bool   // set to the left
	drop int    // columns with the greatest drop go first when the table is too wide; 0 stays
}

// row is one row of a table: as many cells as the table has columns, and lines that stand under it, indented and cut.
type row struct {
	cells   []string
	below   []string
	heading bool
}

// minFirst is how narrow the first column gets: enough to tell "10.0.0.12:7070" from its neighbour.
const minFirst = 16

// indentBelow is how far the lines under a row are indented, beyond the two spaces of the row itself.
const indentBelow = 4

func (t *table) add(cells ...string) { t.rows = append(t.rows, row{cells: cells}) }

// below puts a line under the last row.
func (t *table) below(line string) {
	last := &t.rows[len(t.rows)-1]
	last.below = append(last.below, line)
}

// leastWrapped is the columns from which on a line below a row is wrapped: in fewer it would be a column of syllables.
const leastWrapped = 20

// lines is the table in at most width columns of the terminal, if its columns can be dropped or cut so far.
func (t *table) lines(width int, p palette) []string {
	widths := t.fit(width)
	var lines []string
	if slices.ContainsFunc(t.columns, func(c column) bool { return c.head != "" }) {
		heads := make([]string, len(t.columns))
		for i, c := range t.columns {
			heads[i] = c.head
		}
		lines = append(lines, p.bold(t.line(heads, widths)))
	}
	for _, r := range t.rows {
		line := t.line(r.cells, widths)
		if r.heading {
			line = p.bold(line)
		}
		lines = append(lines, line)
		for _, note := range r.below {
			// Whole, since a refusal says at its end what to do; only a word that no line has room for is cut.
			parts := []string{note}
			if width-indentBelow >= leastWrapped {
				parts = wrap(strings.Fields(note), width-indentBelow, 0)
			}
			for _, part := range parts {
				lines = append(lines, strings.Repeat(" ", indentBelow)+p.dim(cut(part, width-indentBelow)))
			}
		}
	}
	return lines
}

// fit is the columns' widths, -1 for those that are dropped.
func (t *table) fit(width int) []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = columns(c.head)
		for _, r := range t.rows {
			widths[i] = max(widths[i], columns(r.cells[i]))
		}
	}
	for total(widths) > width {
		next := -1
		for i, c := range t.columns {
			if widths[i] >= 0 && c.drop > 0 && (next < 0 || c.drop > t.columns[next].drop) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		widths[next] = -1
	}
	if over := total(widths) - width; over > 0 {
		widths[0] = max(widths[0]-over, min(widths[0], minFirst))
	}
	return widths
}

func total(widths []int) int {
	sum := -2
	for _, w := range widths {
		if w >= 0 {
			sum += w + 2
		}
	}
	return sum
}

func (t *table) line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		if widths[i] < 0 {
			continue
		}
		cell = cut(cell, widths[i])
		space := strings.Repeat(" ", widths[i]-columns(cell))
		if i > 0 {
			b.WriteString("  ")
		}
		if i == 0 || t.columns[i].left {
			b.WriteString(cell + space)
		} else {
			b.WriteString(space + cell)
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// palette colours text, or leaves it as it is.
type palette struct{ on bool }

func (p palette) bold(s string) string   { return p.paint("1", s) }
func (p palette) dim(s string) string    { return p.paint("2", s) }
func (p palette) red(s string) string    { return p.paint("1;31", s) }
func (p palette) green(s string) string  { return p.paint("1;32", s) }
func (p palette) yellow(s string) string { return p.paint("1;33", s) }

func (p palette) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
