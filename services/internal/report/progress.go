package report

import (
	"strings"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// maxProgress is how many characters a line of progress has at most where nothing says how wide the terminal is.
const maxProgress = 100

// Progress is one line on a run that goes on, elapsed after its start. It has only figures in it, is without colour, and has at
// most width characters (0: 100), since a line that wraps cannot be written over: what is too much is left out, the quantiles
// first.
//
// What is compared with the number planned are the slots that have an outcome, whichever; the rate is that of responses.
func Progress(r *run.Run, elapsed time.Duration, width int) string {
	if width <= 0 {
		width = maxProgress
	}
	if r.State == run.Starting {
		return "starting …"
	}
	s := r.Tally
	if s == nil {
		s = new(tally.Snapshot)
	}
	c := s.Counts
	var parts []string
	if r.State == run.Stopping {
		parts = append(parts, "stopping …")
	}
	if endedByTime(r) {
		parts = append(parts, ticker(elapsed)+" of "+r.Plan.Load.Duration.String(), Number(c.Settled())+" done")
	} else {
		parts = append(parts, ticker(elapsed), Number(c.Settled())+" of "+Number(c.Planned)+percent(c))
	}
	if v, ok := perSecond(c.Responses, elapsed); ok {
		parts = append(parts, rate(v))
	}
	parts = append(parts, "errors "+Number(c.Errors))
	if c.NotSent > 0 {
		parts = append(parts, "not sent "+Number(c.NotSent))
	}
	if c.Unknown > 0 {
		parts = append(parts, "unknown "+Number(c.Unknown))
	}
	if r.State != run.Ended {
		parts = append(parts, "in flight "+Number(c.InFlight))
	}
	if s.Service.Count > 0 {
		parts = append(parts, "p50 "+latency(s.Service.P50), "p99 "+latency(s.Service.P99))
	}
	for {
		line := strings.Join(parts, "  ")
		if columns(line) <= width || len(parts) == 1 {
			return line
		}
		parts = parts[:len(parts)-1]
	}
}

// percent is how many of the slots have an outcome, rounded down, so that 100% means all.
func percent(c tally.Counts) string {
	if c.Planned <= 0 {
		return ""
	}
	return " (" + Number(c.Settled()*100/c.Planned) + "%)"
}
