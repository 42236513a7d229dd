package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func text(t *testing.T, r *run.Run, o TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := Text(&b, r, o); err != nil {
		t.Fatalf("Text() = %v", err)
	}
	return b.String()
}

func TestTextGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		run     *run.Run
		options TextOptions
	}{
		{"text_passed", passed(), TextOptions{}},
		{"text_lossy", lossy(), TextOptions{}},
		{"text_lossy_narrow", lossy(), TextOptions{Width: 1}},
		{"text_lossy_wide", lossy(), TextOptions{Width: 120}},
		{"text_refused", refused(), TextOptions{}},
		{"text_by_time", byTime(), TextOptions{}},
		{"text_article", article(), TextOptions{}},
		{"text_hostile", hostile(), TextOptions{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := text(t, tt.run, tt.options)
			width := tt.options.Width
			switch {
			case width == 0:
				width = defaultWidth
			case width < minWidth:
				width = minWidth
			}
			checkShown(t, got, width)
			golden(t, tt.name, got)
		})
	}
}

// Colour adds escape sequences and nothing else: none without it, the same text within them.
func TestTextColor(t *testing.T) {
	t.Parallel()
	for _, r := range []*run.Run{passed(), lossy(), refused(), hostile()} {
		colored, bare := text(t, r, TextOptions{Color: true}), text(t, r, TextOptions{})
		if !strings.HasPrefix(colored, "\x1b[1;3") {
			t.Errorf("verdict is not coloured: %.40q", colored)
		}
		for _, code := range []string{"0", "1", "2", "1;31", "1;32", "1;33"} {
			colored = strings.ReplaceAll(colored, "\x1b["+code+"m", "")
		}
		if colored != bare {
			t.Errorf("without its colours the text is\n%s\nwant\n%s", colored, bare)
		}
	}
}

func TestTextHeadline(t *testing.T) {
	t.Parallel()
	one := &tally.Snapshot{Counts: tally.Counts{Planned: 1, Responses: 1}}
	for _, tt := range []struct {
		name string
		run  *run.Run
		want string // the first paragraph
	}{
		{
			"one",
			&run.Run{State: run.Ended, Verdict: run.Passed, Started: start, Ended: start.Add(2 * time.Second), Tally: one},
			"PASSED  1 of 1 response in 2.00 s, 0.5/s",
		},
		{
			"clock set back",
			&run.Run{State: run.Ended, Verdict: run.Passed, Started: start, Ended: start.Add(-time.Hour), Tally: one},
			"PASSED  1 of 1 response",
		},
		{
			"took no time",
			&run.Run{State: run.Ended, Verdict: run.Passed, Started: start, Ended: start, Tally: one},
			"PASSED  1 of 1 response",
		},
		{
			"goes on",
			&run.Run{State: run.Running, Started: start, Tally: one},
			"RUNNING  1 of 1 response",
		},
		{
			"starting, no tally yet",
			&run.Run{State: run.Starting},
			"STARTING  nothing is sent yet",
		},
		{
			"never started, for no reason",
			&run.Run{State: run.Ended, Verdict: run.Cancelled},
			"CANCELLED  never started, nothing was sent",
		},
		{
			"sent something after all",
			&run.Run{State: run.Ended, Verdict: run.Failed, Tally: &tally.Snapshot{Counts: tally.Counts{Planned: 2, Errors: 2}}},
			"FAILED  0 of 2 responses",
		},
		{
			"one unknown",
			&run.Run{
				State: run.Ended, Verdict: run.Incomplete, Started: start, Ended: start.Add(time.Second), Reason: "Because.",
				Tally: &tally.Snapshot{Counts: tally.Counts{Planned: 2, Responses: 1, Unknown: 1}},
			},
			"INCOMPLETE  1 of 2 responses in 1.00 s, 1.00/s\n1 slot is unknown: whether it was sent, nobody can say.\nBecause.",
		},
		{
			"incomplete without unknown",
			&run.Run{
				State: run.Ended, Verdict: run.Incomplete, Started: start, Ended: start.Add(time.Second),
				Tally: &tally.Snapshot{Counts: tally.Counts{Planned: 2, Responses: 1, NotSent: 1}},
			},
			"INCOMPLETE  1 of 2 responses in 1.00 s, 1.00/s\nNo slot is unknown.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := text(t, tt.run, TextOptions{})
			checkShown(t, got, defaultWidth)
			if first, _, _ := strings.Cut(got, "\n\n"); first != tt.want {
				t.Errorf("Text() begins\n%s\nwant\n%s", first, tt.want)
			}
		})
	}
}

func TestTextCounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		counts tally.Counts
		want   string
	}{
		{
			"closed",
			tally.Counts{Planned: 4, Responses: 1, Errors: 1, NotSent: 1, Unknown: 1},
			"4 planned = 1 response + 1 error + 1 not sent + 1 unknown",
		},
		{
			"going on",
			tally.Counts{Planned: 2_005, Pending: 2_000, InFlight: 3, Responses: 2},
			"2,005 planned = 2 responses + 0 errors + 0 not sent + 0 unknown + 2,000 pending\n  + 3 in flight",
		},
		{
			"missing",
			tally.Counts{Planned: 3, Responses: 2},
			"3 planned = 2 responses + 0 errors + 0 not sent + 0 unknown\nThis does not add up: 1 slot is missing.",
		},
		{
			"too many",
			tally.Counts{Planned: 3, Responses: 5},
			"3 planned = 5 responses + 0 errors + 0 not sent + 0 unknown\nThis does not add up: 2 slots too many.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := text(t, &run.Run{State: run.Running, Tally: &tally.Snapshot{Counts: tt.counts}}, TextOptions{})
			if _, second, _ := strings.Cut(got, "\n\n"); second != tt.want+"\n" {
				t.Errorf("counts are\n%s\nwant\n%s", second, tt.want)
			}
		})
	}
}

// The lower bound is said of closed loops that their duration alone ends, and of no others.
func TestTextLowerBound(t *testing.T) {
	t.Parallel()
	closed := &plan.ClosedLoop{Concurrency: 1}
	for _, tt := range []struct {
		name string
		plan *plan.Plan
		want bool
	}{
		{"by duration", &plan.Plan{Load: plan.Load{Duration: time.Second, ClosedLoop: closed}}, true},
		{"by number too", &plan.Plan{Load: plan.Load{Requests: 9, Duration: time.Second, ClosedLoop: closed}}, false},
		{"at a rate", &plan.Plan{Load: plan.Load{Duration: time.Second, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: 1}}}}}, false},
		{"no plan", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := byTime()
			r.Plan = tt.plan
			if got := strings.Contains(text(t, r, TextOptions{}), "At least 1 slot is unknown"); got != tt.want {
				t.Errorf("said to be a lower bound: %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSlowest(t *testing.T) {
	t.Parallel()
	worker := func(p99 time.Duration) run.WorkerResult {
		var l tally.Latency
		if p99 > 0 {
			l.Count, l.P99 = 1, p99
		}
		return run.WorkerResult{Tally: &tally.Snapshot{Service: l}}
	}
	for _, tt := range []struct {
		name    string
		workers []run.WorkerResult
		want    int
	}{
		{"none", nil, -1},
		{"one", []run.WorkerResult{worker(1)}, -1},
		{"second", []run.WorkerResult{worker(1), worker(3), worker(2)}, 1},
		{"first", []run.WorkerResult{worker(3), worker(2)}, 0},
		{"same", []run.WorkerResult{worker(2), worker(2)}, -1},
		{"one with responses", []run.WorkerResult{worker(0), worker(2), {}}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := slowest(tt.workers); got != tt.want {
				t.Errorf("slowest() = %d, want %d", got, tt.want)
			}
		})
	}
}

// What is known of the workers' starts, and of rows that did not arrive, is said in a line each, and nothing where there is nothing.
func TestTextOfStartsAndLostRows(t *testing.T) {
	t.Parallel()
	spread := 1200 * time.Microsecond
	two := []run.WorkerResult{{Address: "a:1"}, {Address: "b:2"}}
	for _, tt := range []struct {
		name string
		run  *run.Run
		want string // "": neither line
	}{
		{"two workers", &run.Run{Workers: two, StartSpread: &spread}, "\nThey started within 1.20 ms of one another.\n"},
		{"two workers of unknown start", &run.Run{Workers: two}, ""},
		{"one worker", &run.Run{Workers: two[:1], StartSpread: &spread}, ""},
		{"no row lost", &run.Run{Tally: &tally.Snapshot{Records: 5}}, ""},
		{"one row lost", &run.Run{Tally: &tally.Snapshot{Lost: 1}}, "\n1 outcome is counted, but its row did not arrive, because a stream broke.\n"},
		{"rows lost", &run.Run{Tally: &tally.Snapshot{Lost: 2_000}}, "\n2,000 outcomes are counted, but their rows did not arrive, because a stream\nbroke.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := text(t, tt.run, TextOptions{})
			if tt.want == "" && (strings.Contains(got, "did not arrive") || strings.Contains(got, "They started")) || !strings.Contains(got, tt.want) {
				t.Errorf("Text() is\n%s\nwant %q in it", got, tt.want)
			}
		})
	}
}

// Latency rows without values are left out, and the note on errors with the rows that it is about.
func TestTextLatencyRows(t *testing.T) {
	t.Parallel()
	onlyErrors := &run.Run{State: run.Running, Tally: snapshot(failed(outcome.DialRefused, ""), failed(outcome.DialRefused, ""))}
	got := text(t, onlyErrors, TextOptions{})
	for _, bad := range []string{"service time", "response time", "not in these rows", "Service time"} {
		if strings.Contains(got, bad) {
			t.Errorf("a run of errors only tells of %q:\n%s", bad, got)
		}
	}
	if !strings.Contains(got, "\n  lateness ") {
		t.Errorf("lateness is missing:\n%s", got)
	}
	oneError := &run.Run{State: run.Running, Tally: snapshot(failed(outcome.DialRefused, ""), response(200, time.Second, 0))}
	if got, want := text(t, oneError, TextOptions{}), "\n1 error is not in these rows, except lateness.\n"; !strings.Contains(got, want) {
		t.Errorf("%q is missing:\n%s", want, got)
	}
	clamped := &run.Run{State: run.Running, Tally: snapshot(response(200, time.Second, 0))}
	clamped.Tally.Response.Clamped = 2
	if got, want := text(t, clamped, TextOptions{}), "\n2 values are beyond 1 h; the percentiles take them as 1 h.\n"; !strings.Contains(got, want) {
		t.Errorf("%q is missing:\n%s", want, got)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken pipe")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrorsAreReturned(t *testing.T) {
	t.Parallel()
	s, o := snapshot(), response(200, time.Second, 0)
	for name, err := range map[string]error{
		"Text":        Text(brokenWriter{}, passed(), TextOptions{}),
		"JSON":        JSON(brokenWriter{}, passed()),
		"OutcomeText": OutcomeText(brokenWriter{}, o, ""),
		"OutcomeJSON": OutcomeJSON(brokenWriter{}, o),
		"CallText":    CallText(brokenWriter{}, s, 0),
		"CallJSON":    CallJSON(brokenWriter{}, s, 0),
	} {
		if !errors.Is(err, errBroken) {
			t.Errorf("%s() = %v, want %v", name, err, errBroken)
		}
	}
}
