package batch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// saidSeconds is the seconds of each tally with their responses, as in "0:3 1:1".
func saidSeconds(l *line) []string {
	var all []string
	for _, m := range l.tallies() {
		var cells []string
		for _, second := range tallyOf(m).GetSeconds() {
			cells = append(cells, fmt.Sprintf("%d:%d", second.GetSecond(), second.GetTally().GetCounts().GetResponses()))
		}
		all = append(all, strings.Join(cells, " "))
	}
	return all
}

// cameAt is a response that came about after that much of the run.
func cameAt(at time.Duration) outcome.Outcome {
	return outcome.Outcome{Status: 200, Due: at}
}

// A second is in each tally from its first to the first after its end, each time whole, whatever the tallies' moments are in
// the run's time.
func TestSeconds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		begin time.Duration   // the run's time when the line is made: its tallies come 500 ms later, 1 s later, …
		rows  []time.Duration // when they came about, and were put
		end   time.Duration   // the run's time of finished
		want  []string
	}{
		{
			name: "from the start",
			rows: []time.Duration{200 * ms, 700 * ms, 701 * ms, 1200 * ms}, end: 2700 * ms,
			want: []string{"0:1", "0:3 1:0", "1:1", "1:1 2:0", "2:0", "2:0"},
		},
		{
			name: "tallies between the seconds", begin: 200 * ms,
			rows: []time.Duration{300 * ms, 900 * ms, 1100 * ms, 2600 * ms}, end: 2800 * ms,
			want: []string{"0:1", "0:2 1:1", "1:1", "1:1 2:0", "2:1", "2:1"},
		},
		{
			name: "a run that is to start", begin: -700 * ms,
			rows: []time.Duration{100 * ms, 900 * ms}, end: 1400 * ms,
			want: []string{"", "0:1", "0:1", "0:2 1:0", "1:0"},
		},
		{
			name: "a run that started long ago", begin: time.Hour,
			rows: []time.Duration{time.Hour + 100*ms}, end: time.Hour + 1600*ms,
			want: []string{"3600:1", "3600:1 3601:0", "3601:0", "3601:0"},
		},
		{name: "a short call", rows: []time.Duration{10 * ms}, end: 20 * ms, want: []string{"0:1"}},
		{name: "a call that never started", begin: -time.Hour, end: -time.Hour + 10*ms, want: []string{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLine(schedule.Unbounded, time.Now().Add(-tt.begin))
				l.run()
				for _, at := range tt.rows {
					l.sleepUntil(at - tt.begin)
					l.put(cameAt(at))
				}
				l.sleepUntil(tt.end - tt.begin)
				l.close(t)
				if err := l.batcher.Finish(nil); err != nil {
					t.Errorf("Finish() = %v, want no error", err)
				}
				if got := saidSeconds(l); !slices.Equal(got, tt.want) {
					t.Errorf("seconds of the tallies = %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A stream that stands still for seconds loses none: what gathers meanwhile is of seconds that are not over for good.
func TestSecondsOfAStreamThatStandsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := unbounded()
		l.delay = func(sequence int64) time.Duration {
			if sequence == 1 {
				return 2750 * ms
			}
			return 0
		}
		for _, at := range []time.Duration{100 * ms, 600 * ms, 1600 * ms, 2600 * ms} {
			l.sleepUntil(at)
			l.put(cameAt(at))
		}
		l.sleepUntil(3700 * ms)
		l.close(t)
		want := []string{"0:2 1:1 2:1", "2:1 3:0", "3:0"} // at 2.85, 3 and 3.5 s
		if got := saidSeconds(l); !slices.Equal(got, want) {
			t.Errorf("seconds of the tallies = %q, want %q", got, want)
		}
	})
}

// An outcome is in the second of its last byte, and slots that were not sent are in none. Only what was over when no sender
// waited is dropped; what comes later still is in the first second that is not over.
func TestBook(t *testing.T) {
	t.Parallel()
	var b book
	want := func(when string, now time.Duration, want ...string) {
		t.Helper()
		var got []string
		for _, second := range b.seconds(now) {
			c := second.Tally.Counts
			got = append(got, fmt.Sprintf("%d: %d responses, %d errors, %d not sent", second.Second, c.Responses, c.Errors, c.NotSent))
		}
		if !slices.Equal(got, want) {
			t.Errorf("seconds() %s = %q, want %q", when, got, want)
		}
	}
	b.add(&outcome.Outcome{NotSent: outcome.NotSentCancelled, Due: time.Second}, "")
	b.add(&outcome.Outcome{Status: 200, Due: -time.Second, Service: time.Millisecond}, "")
	b.add(&outcome.Outcome{Error: outcome.ConnReset, Due: time.Second, Lateness: time.Second / 2, Service: time.Second / 2}, "")
	want("at first", -1, "0: 1 responses, 0 errors, 0 not sent", "2: 0 responses, 1 errors, 0 not sent")
	b.observe(2*time.Second, true)
	b.drop(2)
	want("after a drop while a sender waits", -1, "0: 1 responses, 0 errors, 0 not sent", "2: 0 responses, 1 errors, 0 not sent")
	b.observe(2*time.Second, false)
	b.drop(2)
	want("before it is complete", -1, "0: 1 responses, 0 errors, 0 not sent", "2: 0 responses, 1 errors, 0 not sent")
	b.drop(2)
	want("after a drop", -1, "2: 0 responses, 1 errors, 0 not sent")
	b.add(&outcome.Outcome{Status: 200, Due: time.Second, Service: time.Millisecond}, "")
	want("after a late one", 3*time.Second, "2: 1 responses, 1 errors, 0 not sent", "3: 0 responses, 0 errors, 0 not sent")
	if c := b.total().Counts; c.Responses != 2 || c.Errors != 1 || c.NotSent != 1 {
		t.Errorf("total() = %v, want 2 responses, 1 error, 1 not sent", c)
	}
}
