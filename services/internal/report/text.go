package report

import (
	"io"
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// TextOptions say how a text is laid out. The zero value is 80 columns without colour.
type TextOptions struct {
	Width int  // columns; 0 is 80, and fewer than 66 are taken as 66
	Color bool // with the colours of a terminal
}

const (
	defaultWidth = 80
	minWidth     = 66
)

// Text writes the summary of a run that a person likes to read. It is meant for runs that have ended; one that goes on is
// shown as it is, without rates. A run without a tally has sent nothing.
func Text(w io.Writer, r *run.Run, o TextOptions) error {
	width := o.Width
	if width == 0 {
		width = defaultWidth
	}
	p := &page{
		run:     r,
		tally:   r.Tally,
		elapsed: elapsed(r),
		width:   max(width, minWidth),
		palette: palette{o.Color},
	}
	if p.tally == nil {
		p.tally = new(tally.Snapshot)
	}
	var blocks []string
	for _, block := range [][]string{
		p.limit(),
		p.headline(),
		p.counts(),
		p.breakdown(),
		p.latencies(),
		bars("Service time", &p.tally.Service, p.width, p.palette),
		p.bytes(),
		p.groups(),
		p.workers(),
		p.notes(),
		p.names(),
	} {
		if len(block) > 0 {
			blocks = append(blocks, strings.Join(block, "\n")+"\n")
		}
	}
	_, err := io.WriteString(w, strings.Join(blocks, "\n"))
	return err
}

// page is a run that is being written; each method is a block of lines, or nothing.
type page struct {
	palette

	run     *run.Run
	tally   *tally.Snapshot
	elapsed time.Duration // 0: not known
	width   int
}

// elapsed is from the common start to the end, by the coordinator's wall clock; 0 when it is not known, or the clock was
// set back.
func elapsed(r *run.Run) time.Duration {
	if r.Started.IsZero() || r.Ended.IsZero() {
		return 0
	}
	return max(r.Ended.Sub(r.Started), 0)
}

// neverStarted reports whether the run ended without a start. (A run that has sent something did start, whatever its times
// say.)
func (p *page) neverStarted() bool {
	c := p.tally.Counts
	return p.run.State == run.Ended && p.run.Started.IsZero() && c.Responses+c.Errors+c.Unknown == 0
}

// limit is what has to be known before any figure is read: that they describe the generator.
func (p *page) limit() []string {
	if p.run.LimitedBy != run.ByGenerator {
		return nil
	}
	text := "Limited by the GENERATOR: " + clean(p.run.LimitedReason) + ". These figures describe it, and not the target."
	return wrap(strings.Fields(text), p.width, 0)
}

// headline is what to know first: the verdict, how much came back, what is unknown, and why.
func (p *page) headline() []string {
	word := word(p.run)
	var said []string
	switch reason := strings.Fields(clean(p.run.Reason)); {
	case p.neverStarted() && len(reason) > 0:
		said = append([]string{"never started, nothing was sent:"}, reason...)
	case p.neverStarted():
		said = []string{"never started, nothing was sent"}
	case p.run.State == run.Starting:
		said = []string{"nothing is sent yet"}
	default:
		said = strings.Fields(responsesIn(p.tally.Counts, p.elapsed))
		if v, ok := perSecond(p.tally.Counts.Responses, p.elapsed); ok {
			said[len(said)-1] += ","
			said = append(said, rate(v))
		}
	}
	lines := wrap(said, p.width-len(word)-2, 0)
	for i := range lines[1:] {
		lines[i+1] = strings.Repeat(" ", len(word)+2) + lines[i+1]
	}
	lines[0] = p.verdict(word) + "  " + lines[0]
	lines = append(lines, p.unknown()...)
	if p.run.Reason != "" && !p.neverStarted() {
		lines = append(lines, wrap(strings.Fields(clean(p.run.Reason)), p.width, 0)...)
	}
	return lines
}

// word is how far a run is, or what it came to.
func word(r *run.Run) string {
	if r.Verdict != run.NoVerdict {
		return r.Verdict.String()
	}
	return r.State.String()
}

func (p *page) verdict(word string) string {
	switch p.run.Verdict {
	case run.Passed:
		return p.green(word)
	case run.Failed:
		return p.red(word)
	case run.Incomplete, run.Cancelled:
		return p.yellow(word)
	default:
		return p.bold(word)
	}
}

// unknown is the line on the slots that are in nobody's account.
func (p *page) unknown() []string {
	n := p.tally.Counts.Unknown
	var line string
	switch {
	case n > 0 && endedByTime(p.run):
		// A lost worker claimed slots for as long as it lived; the coordinator knows only of those that it heard of.
		line = "At least " + Count(n, "slot") + plural(n, " is", " are") +
			" unknown: with no number of requests given, nobody can say how many more a lost worker took."
	case n > 0:
		line = Count(n, "slot") + plural(n, " is unknown: whether it was", " are unknown: whether they were") +
			" sent, nobody can say."
	case p.run.Verdict == run.Incomplete:
		line = "No slot is unknown."
	default:
		return nil
	}
	return wrap(strings.Fields(line), p.width, 0)
}

// endedByTime reports whether the run is a closed loop that its duration alone ends: the number of its slots is known only
// afterwards.
func endedByTime(r *run.Run) bool {
	return r.Plan != nil && r.Plan.Load.Requests == 0 && r.Plan.Load.ClosedLoop != nil && r.Plan.Load.Duration > 0
}

// counts are the account: where all slots are, as a sum that can be checked.
func (p *page) counts() []string {
	c := p.tally.Counts
	sum := []string{
		Number(c.Planned) + " planned =",
		Count(c.Responses, "response"),
		"+ " + Count(c.Errors, "error"),
		"+ " + Number(c.NotSent) + " not sent",
		"+ " + Number(c.Unknown) + " unknown",
	}
	if c.Pending != 0 {
		sum = append(sum, "+ "+Number(c.Pending)+" pending")
	}
	if c.InFlight != 0 {
		sum = append(sum, "+ "+Number(c.InFlight)+" in flight")
	}
	lines := wrap(sum, p.width, len("  "))
	switch missing := c.Planned - c.Pending - c.InFlight - c.Settled() - c.Unknown; {
	case missing > 0:
		lines = append(lines, p.red("This does not add up: "+Count(missing, "slot")+plural(missing, " is", " are")+" missing."))
	case missing < 0:
		lines = append(lines, p.red("This does not add up: "+Count(-missing, "slot")+" too many."))
	}
	return lines
}

// responsesIn is how many of the slots have a response, and in what time if that is known.
func responsesIn(c tally.Counts, d time.Duration) string {
	s := Number(c.Responses) + " of " + Count(c.Planned, "response")
	if d > 0 {
		s += " in " + span(d)
	}
	return s
}
