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
				if err := l.batcher.Finish(); err != nil {
					t.Errorf("Finish() = %v, want no error", err)
				}
				if got := saidSeconds(l); !slices.Equal(got, tt.want) {
					t.Errorf("seconds of the tallies = %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A second stays while a sender may hold an outcome of it, and the one that comes late makes it whole.
func TestSecondWaitsForWhatIsFinishing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := unbounded()
		l.sleepUntil(900 * ms)
		l.put(cameAt(900 * ms))
		l.finish(true) // a slot of 950 ms, whose sender then has to wait
		l.sleepUntil(2200 * ms)
		l.put(cameAt(950 * ms))
		l.finish(false)
		l.sleepUntil(3200 * ms)
		l.close(t)
		want := []string{"0:0", "0:1 1:0", "0:1 1:0", "0:1 1:0 2:0", "0:2 1:0 2:0", "2:0 3:0"}
		if got := saidSeconds(l); !slices.Equal(got, want) {
			t.Errorf("seconds of the tallies = %q, want %q", got, want)
		}
	})
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
// was finishing is dropped.
func TestSecondsHaveWhatWasSent(t *testing.T) {
	t.Parallel()
	var s seconds
	s.add(&outcome.Outcome{NotSent: outcome.NotSentCancelled, Due: time.Second})
	s.add(&outcome.Outcome{Status: 200, Due: -time.Second, Service: time.Millisecond})
	s.add(&outcome.Outcome{Error: outcome.ConnReset, Due: time.Second, Lateness: time.Second / 2, Service: time.Second / 2})
	var got []string
	for _, second := range s.snapshot(-time.Second) {
		c := second.Tally.Counts
		got = append(got, fmt.Sprintf("%d: %d responses, %d errors, %d not sent", second.Second, c.Responses, c.Errors, c.NotSent))
	}
	if want := []string{"0: 1 responses, 0 errors, 0 not sent", "2: 0 responses, 1 errors, 0 not sent"}; !slices.Equal(got, want) {
		t.Errorf("snapshot() = %q, want %q", got, want)
	}
	s.observe(2*time.Second, true)
	s.drop()
	if got := len(s.snapshot(-1)); got != 2 {
		t.Errorf("seconds after a drop while a sender is finishing = %d, want 2", got)
	}
	s.observe(2*time.Second, false)
	s.drop()
	if got := s.snapshot(-1); len(got) != 1 || got[0].Second != 2 {
		t.Errorf("seconds after a drop at 2 s = %v, want second 2 alone", got)
	}
}
