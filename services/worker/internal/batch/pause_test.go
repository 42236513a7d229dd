package batch

import (
	"cmp"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// puts is outcomes that come at one moment.
type puts struct {
	at    time.Duration
	rows  int
	bytes int // of each one's body
}

// message is outcomes that are sent at one moment.
type message struct {
	at   time.Duration
	rows int
}

func batches(all []sent) []message {
	var got []message
	for _, m := range all {
		if m.GetOutcomes() != nil {
			got = append(got, message{m.at, m.rows()})
		}
	}
	return got
}

// After a quiet spell outcomes are sent at once, then every 5 ms at most, unless there are many, or there is hurry.
func TestPause(t *testing.T) {
	t.Parallel()
	const (
		half     = bulkBytes / 2
		bodySize = 32 // what a body takes beside its bytes
	)
	for _, tt := range []struct {
		name  string
		puts  []puts
		hurry time.Duration // 0: none
		done  time.Duration // 0: after 400 ms
		want  []message
	}{
		{name: "one", puts: []puts{{100 * ms, 1, 0}}, want: []message{{100 * ms, 1}}},
		{name: "two at once", puts: []puts{{100 * ms, 2, 0}}, want: []message{{100 * ms, 2}}},
		{
			name: "some one after the other",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 1, 0}, {102 * ms, 1, 0}, {104 * ms, 1, 0}, {106 * ms, 1, 0}, {109 * ms, 1, 0}},
			want: []message{{100 * ms, 1}, {105 * ms, 3}, {110 * ms, 2}},
		},
		{
			name: "all that is queued",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, bulkRows - 1, 0}},
			want: []message{{100 * ms, 1}, {105 * ms, bulkRows - 1}},
		},
		{name: "longer apart than the pause", puts: []puts{{100 * ms, 1, 0}, {106 * ms, 1, 0}}, want: []message{{100 * ms, 1}, {106 * ms, 1}}},
		{
			name: "512 rows end the pause",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, bulkRows, 0}, {102 * ms, 1, 0}},
			want: []message{{100 * ms, 1}, {101 * ms, bulkRows}, {106 * ms, 1}},
		},
		{
			name: "rows of 256 KiB end the pause",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 1, half}, {102 * ms, 1, half - 2*(outcomeSize+bodySize)}, {103 * ms, 1, 0}},
			want: []message{{100 * ms, 1}, {102 * ms, 1}, {102 * ms, 1}, {107 * ms, 1}},
		},
		{
			name: "more than 32 KiB go in two messages",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 3, messageBytes / 3}},
			want: []message{{100 * ms, 1}, {105 * ms, 2}, {105 * ms, 1}},
		},
		{
			name: "a row greater than that goes alone",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 1, 3 * bulkBytes}, {102 * ms, 1, 0}},
			want: []message{{100 * ms, 1}, {101 * ms, 1}, {106 * ms, 1}},
		},
		{
			name: "hurry ends the pause, and every later one",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 2, 0}, {103 * ms, 3, 0}, {104 * ms, 1, 0}}, hurry: 102 * ms,
			want: []message{{100 * ms, 1}, {102 * ms, 2}, {103 * ms, 3}, {104 * ms, 1}},
		},
		{
			name: "the end ends the pause",
			puts: []puts{{100 * ms, 1, 0}, {101 * ms, 2, 0}}, done: 102 * ms,
			want: []message{{100 * ms, 1}, {102 * ms, 2}},
		},
		{name: "nothing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := unbounded()
				if tt.hurry > 0 {
					time.AfterFunc(tt.hurry, func() { close(l.hurry) })
				}
				for _, p := range tt.puts {
					l.sleepUntil(p.at)
					for range p.rows {
						l.put(response(p.bytes))
					}
				}
				done := cmp.Or(tt.done, 400*ms)
				l.sleepUntil(done)
				l.close(t)
				if got := batches(l.messages); !slices.Equal(got, tt.want) {
					t.Errorf("messages = %v, want %v", got, tt.want)
				}
				if took := time.Since(l.made); took != done {
					t.Errorf("Run returned after %v, want %v", took, done)
				}
			})
		})
	}
}

// The pause is between the end of one message and the beginning of the next, whatever they are: on a slow stream outcomes
// gather while a message is under way, and a tally counts as a message.
func TestPauseAfterAnyMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := unbounded()
		l.delay = func(int64) time.Duration { return 20 * ms }
		for _, at := range []time.Duration{100 * ms, 101 * ms, 119 * ms, 124 * ms, 496 * ms, 521 * ms} {
			l.sleepUntil(at)
			l.put(response(0))
		}
		l.sleepUntil(700 * ms)
		l.close(t)
		// The tally of 500 ms has to wait until 516 ms, and is through at 536 ms.
		if got, want := batches(l.messages), []message{{100 * ms, 1}, {125 * ms, 3}, {496 * ms, 1}, {541 * ms, 1}}; !slices.Equal(got, want) {
			t.Errorf("messages = %v, want %v", got, want)
		}
	})
}

// What was enough to send at once must not cut the pause after it.
func TestPauseAfterManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := unbounded()
		l.sleepUntil(100 * ms) // a quiet spell
		for range bulkRows + 88 {
			l.put(response(0))
		}
		for _, at := range []time.Duration{101 * ms, 102 * ms} {
			l.sleepUntil(at)
			l.put(response(0))
		}
		l.sleepUntil(400 * ms)
		l.close(t)
		// How many rows each message has depends on who is faster; that a small one follows none within the pause does not.
		all := batches(l.messages)
		for i, m := range all[1:] {
			if m.rows < bulkRows && m.at-all[i].at < pause {
				t.Errorf("messages = %v, want %v before a small one", all, pause)
			}
		}
	})
}
