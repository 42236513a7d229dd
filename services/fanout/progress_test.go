package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// Where standard error is a file, progress is plain lines, of which there are few; the end is the report's to show.
func TestProgress(t *testing.T) {
	t.Parallel()
	f := emptyFile(t, "err")
	defer f.Close()
	p := newProgress(stdio{err: f})
	going := &run.Run{State: run.Running, Started: time.Now(), Tally: &tally.Snapshot{Counts: tally.Counts{Planned: 5, Pending: 3, Responses: 2}}}
	p.show(going) // too early
	p.last = p.last.Add(-time.Second)
	p.show(going)
	p.show(going) // too early
	p.last = p.last.Add(-time.Second)
	p.show(&run.Run{State: run.Ended, Tally: going.Tally})
	p.clear()
	if got := content(t, f); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
		t.Errorf("progress = %q, want one plain line", got)
	}
}

// Lines come each second at first, and later every ten.
func TestProgressInterval(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	p := &progress{begun: begun}
	for _, tt := range []struct{ after, want time.Duration }{
		{0, 900 * time.Millisecond},
		{10*time.Second - 1, 900 * time.Millisecond},
		{10 * time.Second, 10 * time.Second},
		{time.Hour, 10 * time.Second},
	} {
		if got := p.interval(begun.Add(tt.after)); got != tt.want {
			t.Errorf("interval after %v = %v, want %v", tt.after, got, tt.want)
		}
	}
}
