package report

import (
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// maxListedName is how many columns of a run's name a list shows: enough to recognise it beside the figures.
const maxListedName = 24

// creatorColumn is where the creators stand, if the runs have any: without access control nobody has a name.
const creatorColumn = 2

// ListText writes runs as a table, one row each, in their order. It is as wide as its cells, whatever the options say, since an
// identifier that is cut is of no use.
func ListText(w io.Writer, runs []*run.Run, o TextOptions) error {
	if len(runs) == 0 {
		_, err := io.WriteString(w, "No runs.\n")
		return err
	}
	t := table{columns: []column{
		{head: "Run"},
		{head: "name", left: true},
		{head: "created (UTC)", left: true},
		{head: "state", left: true},
		{head: "responses"},
		{head: "errors"},
		{head: "unknown"},
		{head: "duration"},
	}}
	named := slices.ContainsFunc(runs, func(r *run.Run) bool { return r.Creator != "" })
	if named {
		t.columns = slices.Insert(t.columns, creatorColumn, column{head: "creator", left: true})
	}
	for _, r := range runs {
		var c tally.Counts
		if r.Tally != nil {
			c = r.Tally.Counts
		}
		cells := []string{
			clean(r.ID), listedName(r.Name), listedTime(r.Created), word(r), Number(c.Responses), Number(c.Errors), Number(c.Unknown), listedSpan(r),
		}
		if named {
			cells = slices.Insert(cells, creatorColumn, listedName(r.Creator))
		}
		t.add(cells...)
	}
	return writeLines(w, t.lines(math.MaxInt, palette{o.Color}))
}

// listedName is the name of a run, or of its creator; a dash without one, so that every row has as many cells.
func listedName(name string) string {
	if name == "" {
		return "–"
	}
	return cut(clean(name), maxListedName)
}

// listedTime is when a run was created, to the second.
func listedTime(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format(time.DateTime)
}

// listedSpan is how long a run took; a dash while that is not known.
func listedSpan(r *run.Run) string {
	if d := elapsed(r); d > 0 {
		return span(d)
	}
	return "–"
}

// ListJSON writes runs as one JSON document, in their order, of the shape that the package comment tells.
func ListJSON(w io.Writer, runs []*run.Run) error {
	heads := make([]headDocument, len(runs))
	for i, r := range runs {
		heads[i] = headOf(r)
	}
	return write(w, struct {
		Runs []headDocument `json:"runs"`
	}{heads}, "  ")
}

// ChecksText writes the checks of a run, one line each, and then how many hold.
func ChecksText(w io.Writer, id string, checks []run.Check, o TextOptions) error {
	t := table{columns: []column{{}, {left: true}, {left: true}}}
	failed := int64(0)
	for _, c := range checks {
		word := "ok"
		if !c.OK {
			word = "FAILED"
			failed++
		}
		t.add(word, clean(c.Name), clean(c.Detail))
	}
	p := palette{o.Color}
	all, of := int64(len(checks)), " of run "+clean(id)
	sum := p.green(Count(all, "check") + of + plural(all, " holds.", " hold."))
	if failed > 0 {
		sum = p.red(Number(failed) + " of " + Count(all, "check") + of + plural(failed, " does", " do") + " not hold.")
	}
	return writeLines(w, append(t.lines(math.MaxInt, p), sum))
}

// ChecksJSON writes the checks of a run as one JSON document, of the shape that the package comment tells.
func ChecksJSON(w io.Writer, id string, checks []run.Check) error {
	d := struct {
		RunID  string          `json:"runId"`
		OK     bool            `json:"ok"`
		Checks []checkDocument `json:"checks"`
	}{id, true, make([]checkDocument, len(checks))}
	for i, c := range checks {
		d.OK = d.OK && c.OK
		d.Checks[i] = checkDocument(c)
	}
	return write(w, d, "  ")
}

type checkDocument struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func writeLines(w io.Writer, lines []string) error {
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
