package batch

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// tenASecond is the schedule of an open loop of two requests.
func tenASecond() *schedule.Schedule {
	return schedule.New(&plan.Plan{
		Requests: []plan.Request{{Weight: 1}, {Weight: 2}},
		Load:     plan.Load{Requests: 1 << 40, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: 10}}}},
	})
}

// Slots that nobody claimed get a row each while there is time, and are folded into the tally after it; each is accounted
// for exactly once.
func TestRest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		grants   schedule.Grants
		claimed  int64
		until    time.Duration
		delay    time.Duration // of a message
		messages int
		rows     int64
		folded   int64
	}{
		{name: "none is left", grants: schedule.Whole(10), claimed: 10, until: time.Second},
		{name: "all fit in a message", grants: schedule.Whole(30), claimed: 10, until: time.Second, messages: 1, rows: 20},
		{name: "more messages", grants: schedule.Whole(2000), claimed: 10, until: time.Second, messages: 4, rows: 1990},
		{name: "nobody claimed one", grants: schedule.Whole(bulkRows), until: time.Second, messages: 1, rows: bulkRows},
		{
			name: "the grants of a shard", grants: schedule.Grants{{First: 1, Stride: 3, Count: 400}, {First: 5000, Stride: 2, Count: 300}},
			claimed: 100, until: time.Second, messages: 2, rows: 600,
		},
		{
			name: "the time is over", grants: schedule.Whole(5000), claimed: 10, until: 250 * ms, delay: 100 * ms,
			messages: 3, rows: 3 * bulkRows, folded: 4990 - 3*bulkRows,
		},
		{name: "there is no time", grants: schedule.Whole(10_000_000_000), claimed: 3, until: 0, folded: 9_999_999_997},
		{name: "without end", grants: schedule.Whole(schedule.Unbounded), claimed: 10, until: time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				slots := tenASecond()
				l := newLine(tt.grants.Len(), time.Now(), "a", "b")
				l.claim(tt.claimed)
				l.delay = func(int64) time.Duration { return tt.delay }
				if err := l.batcher.Rest(slots, tt.grants, outcome.NotSentRunEnded, time.Now().Add(tt.until)); err != nil {
					t.Fatalf("Rest() = %v, want no error", err)
				}
				if len(l.messages) != tt.messages {
					t.Errorf("messages = %d, want %d", len(l.messages), tt.messages)
				}
				ordinal := tt.claimed
				for _, m := range l.messages {
					for _, got := range m.GetOutcomes().GetOutcomes() {
						slot := tt.grants.Slot(ordinal)
						if got.GetSlot() != slot || got.GetRequest() != int32(slots.Request(slot)) || got.GetDueNanos() != int64(slots.Due(slot)) ||
							got.GetNotSent() != fanoutv1.NotSentReason_NOT_SENT_REASON_RUN_ENDED {
							t.Fatalf("row %d = %v, want slot %d, request %d, due at %v, RUN_ENDED", ordinal, got, slot, slots.Request(slot), slots.Due(slot))
						}
						ordinal++
					}
				}
				got := l.batcher.book.total()
				if n := ordinal - tt.claimed; n != tt.rows || got.Records != tt.rows || got.Folded != tt.folded {
					t.Errorf("rows = %d, and the tally says %d, %d folded, want %d, %d", n, got.Records, got.Folded, tt.rows, tt.folded)
				}
				if want := tt.rows + tt.folded; got.Counts.NotSent != want || got.NotSent[outcome.NotSentRunEnded] != want {
					t.Errorf("not sent = %d, RUN_ENDED %d, want %d", got.Counts.NotSent, got.NotSent[outcome.NotSentRunEnded], want)
				}
			})
		})
	}
}

// Slots that nobody claimed in time are accounted for before the rest, each with its own reason.
func TestLate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		until        time.Duration
		rows, folded int64
	}{
		{"with time", time.Second, 90, 0},
		{"without time", 0, 0, 90},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLine(100, time.Now(), "a", "b")
			slots, grants, until := tenASecond(), schedule.Whole(100), time.Now().Add(tt.until)
			l.claim(10)
			l.claim(40)
			if err := l.batcher.Late(slots, grants, 10, 50, until); err != nil {
				t.Fatalf("Late() = %v, want no error", err)
			}
			if err := l.batcher.Rest(slots, grants, outcome.NotSentCancelled, until); err != nil {
				t.Fatalf("Rest() = %v, want no error", err)
			}
			got := l.batcher.Total()
			if got.NotSent[outcome.NotSentLate] != 40 || got.NotSent[outcome.NotSentCancelled] != 50 || got.Counts.NotSent != 90 ||
				got.Records != tt.rows || got.Folded != tt.folded {
				t.Errorf("tally = %v, by reason %v, %d rows, %d folded, want 40 LATE, 50 CANCELLED, %d, %d",
					got.Counts, got.NotSent, got.Records, got.Folded, tt.rows, tt.folded)
			}
			ordinal := int64(10)
			for _, m := range l.messages {
				for _, o := range m.GetOutcomes().GetOutcomes() {
					want := fanoutv1.NotSentReason_NOT_SENT_REASON_LATE
					if ordinal >= 50 {
						want = fanoutv1.NotSentReason_NOT_SENT_REASON_CANCELLED
					}
					if o.GetSlot() != ordinal || o.GetNotSent() != want {
						t.Fatalf("row = %v, want slot %d, %v", o, ordinal, want)
					}
					ordinal++
				}
			}
		})
	}
}

// The last message closes the account: nothing is pending or in flight, and planned is what was settled.
func TestFinish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		grants schedule.Grants
		until  time.Duration
		want   tally.Counts
		folded int64
	}{
		{"with rows for the rest", schedule.Whole(100), time.Second, tally.Counts{Planned: 100, Responses: 2, Errors: 1, NotSent: 97}, 0},
		{"with the rest folded", schedule.Whole(100), 0, tally.Counts{Planned: 100, Responses: 2, Errors: 1, NotSent: 97}, 97},
		{"without end", schedule.Whole(schedule.Unbounded), time.Second, tally.Counts{Planned: 3, Responses: 2, Errors: 1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLine(tt.grants.Len(), time.Now(), "", "group")
				if err := l.batcher.Started(&fanoutv1.FanOutStarted{RunId: "run"}); err != nil {
					t.Fatalf("Started() = %v, want no error", err)
				}
				l.run()
				l.put(response(0))
				l.put(response(0))
				l.put(outcome.Outcome{Error: outcome.ConnReset})
				l.close(t)
				if err := l.batcher.Rest(tenASecond(), tt.grants, outcome.NotSentCancelled, time.Now().Add(tt.until)); err != nil {
					t.Fatalf("Rest() = %v, want no error", err)
				}
				if err := l.batcher.Finish(nil); err != nil {
					t.Fatalf("Finish() = %v, want no error", err)
				}
				first, last := l.messages[0], l.messages[len(l.messages)-1]
				if first.GetSequence() != 1 || first.GetStarted().GetRunId() != "run" {
					t.Errorf("first message = %v, want started", first)
				}
				if last.GetSequence() != int64(len(l.messages)) || last.GetFinished() == nil {
					t.Fatalf("last message = %v, want finished with the sequence %d", last, len(l.messages))
				}
				got := wire.Snapshot(last.GetFinished().GetTally())
				if got.Counts != tt.want || !got.Counts.Closed() || got.Folded != tt.folded {
					t.Errorf("finished = %v, %d folded, want %v, %d", got.Counts, got.Folded, tt.want, tt.folded)
				}
				if rows := got.Counts.Settled() - got.Folded; got.Records != rows {
					t.Errorf("records = %d, want %d", got.Records, rows)
				}
			})
		})
	}
}

// A call whose stream broke off can still say what it had.
func TestBrokenStreamAroundRun(t *testing.T) {
	t.Parallel()
	l := newLine(10, time.Now(), "", "group")
	l.breaksAt = 1
	if err := l.batcher.Started(&fanoutv1.FanOutStarted{}); !errors.Is(err, errBroken) {
		t.Errorf("Started() = %v, want %v", err, errBroken)
	}
	err := l.batcher.Rest(tenASecond(), schedule.Whole(10), outcome.NotSentCancelled, time.Now().Add(time.Hour))
	if !errors.Is(err, errBroken) {
		t.Errorf("Rest() = %v, want %v", err, errBroken)
	}
	if err := l.batcher.Finish(nil); !errors.Is(err, errBroken) {
		t.Errorf("Finish() = %v, want %v", err, errBroken)
	}
	if got := l.batcher.Counts().NotSent; got != 10 {
		t.Errorf("Tally() = %d not sent, want 10", got)
	}
}
