package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/fanout-load/fanout/services/internal/report"
	"github.com/fanout-load/fanout/services/internal/run"
)

// progress shows how a run goes, on standard error: on a terminal one line that is written over, elsewhere plain lines, each
// second at first and then every ten.
type progress struct {
	out      *os.File
	terminal bool
	begun    time.Time
	last     time.Time
	shown    bool
}

func newProgress(std stdio) *progress {
	return &progress{out: std.err, terminal: term.IsTerminal(int(std.err.Fd())), begun: time.Now(), last: time.Now()}
}

func (p *progress) show(r *run.Run) {
	if r.State == run.Ended {
		return
	}
	now := time.Now()
	elapsed := time.Duration(0)
	if !r.Started.IsZero() {
		elapsed = max(now.Sub(r.Started), 0)
	}
	width := 0
	if p.terminal {
		if columns, _, err := term.GetSize(int(p.out.Fd())); err == nil {
			width = min(columns-1, 100) // the cursor stands in the last one
		}
	}
	line := report.Progress(r, elapsed, width)
	switch {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%s", line)
		p.shown = true
	case now.Sub(p.last) >= p.interval(now):
		fmt.Fprintln(p.out, line)
		p.last = now
	}
}

func (p *progress) interval(now time.Time) time.Duration {
	if now.Sub(p.begun) < 10*time.Second {
		return 900 * time.Millisecond // snapshots come every 500 ms
	}
	return 10 * time.Second
}

// clear takes the line off the terminal.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
