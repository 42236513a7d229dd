package batch

import (
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// pause is the least time between two messages while outcomes come in: waking up for each of them costs more than all
	// the rest of the way (1.2 µs an outcome one at a time, 0.22 µs in batches of 500).
	pause = 5 * time.Millisecond
	// bulkRows and bulkBytes end the pause: the message is worth its cost.
	bulkRows  = 512
	bulkBytes = 256 << 10
	// messageBytes is the longest message of more than one row, but for what is around the rows. It fits a buffer of gRPC's that is
	// taken from a pool; the next greater one has 1 MiB, and all of it is cleared for each message, at both ends.
	messageBytes = 32<<10 - 32
	// checkpointInterval is the time between two tallies.
	checkpointInterval = 500 * time.Millisecond
)

// Progress is where a call's slots are; the engine's call has it.
type Progress interface {
	// Position is how many slots are granted (schedule.Unbounded without end), and how many of them are claimed.
	Position() (granted, claimed int64)
}

// Batcher writes the stream of one call. One goroutine uses it: Started, Run, Rest and Finish, in this order.
type Batcher struct {
	queue    *Queue
	progress Progress
	start    time.Time // the run's
	options  Options   // of the queue
	send     func(*fanoutv1.FanOutResponse) error
	blocked  string // see Blocked
	goesOn   bool   // the account goes on when the stream breaks
	unheard  bool   // nobody listens: outcomes are folded, and nothing is sent

	sequence int64
	lastSent time.Time
	book     book
	rows     wire.Rows
	spare    []outcome.Outcome // what the queue fills next
}

// New makes the batcher of a call whose run starts at start. send writes one message.
func New(queue *Queue, progress Progress, start time.Time, send func(*fanoutv1.FanOutResponse) error) *Batcher {
	return &Batcher{queue: queue, progress: progress, start: start, options: queue.options, send: send}
}

// Started sends the first message.
func (b *Batcher) Started(started *fanoutv1.FanOutStarted) error {
	return b.message(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Started{Started: started}})
}

// Run brings outcomes to the stream until done is closed and the queue is empty: after a quiet spell at once, then after a
// pause at most, then all that is queued; and a tally at every checkpoint. From hurry on it does not pause. It fails when
// the stream does.
//
// Without rows there is only the tally, which waits for its time; the queue is emptied when it has filled up a little.
func (b *Batcher) Run(done, hurry <-chan struct{}) error {
	ready := b.queue.ready
	if b.options.TallyOnly {
		ready = b.queue.bulk
	}
	checkpoint := time.NewTicker(checkpointInterval)
	defer checkpoint.Stop()
	for {
		var err error
		select {
		case <-ready:
			if !b.options.TallyOnly {
				b.await(done, hurry)
			}
			err = b.flush()
		case <-checkpoint.C:
			err = b.checkpoint()
		case <-done:
			return b.flush()
		}
		if err != nil {
			return err
		}
	}
}

// await lets outcomes gather, unless the last message is long ago.
func (b *Batcher) await(done, hurry <-chan struct{}) {
	left := pause - time.Since(b.lastSent)
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.queue.bulk:
	case <-hurry:
	case <-done:
	}
}

// flush sends all that is queued, or folds it when nobody listens.
func (b *Batcher) flush() error {
	b.book.observe(time.Since(b.start), b.queue.isWaitedFor())
	rows := b.queue.take(b.spare)
	if b.options.Fold {
		folded := b.queue.takeFolded()
		b.book.fold(&folded)
	}
	err := b.batch(rows)
	clear(rows)
	b.spare = rows
	return err
}

// batch adds rows to the tally and sends them, in this order: the tally accounts for all that was sent. A message has at most
// messageBytes, or one row. Without rows the tally is all.
func (b *Batcher) batch(rows []outcome.Outcome) (broken error) {
	for i := range rows {
		o := &rows[i]
		if b.rows.Len() > 0 && b.rows.Size()+size(o) > messageBytes {
			if broken = b.sendRows(); broken != nil && !b.goesOn {
				return broken
			}
		}
		b.book.add(o, b.options.Groups[o.Request])
		if b.options.TallyOnly || b.unheard {
			b.book.over.Folded++
			continue
		}
		b.book.over.Records++
		b.rows.Append(o)
	}
	if b.rows.Len() == 0 {
		return broken
	}
	return b.sendRows()
}

// sendRows sends the rows that were appended. After an error whoever was to send them may still have their memory.
func (b *Batcher) sendRows() error {
	b.sequence++
	err := b.send(b.rows.Response(b.sequence))
	b.lastSent = time.Now()
	if err != nil && b.goesOn {
		b.unheard, b.rows = true, wire.Rows{}
	}
	return err
}

// checkpoint sends the tally of all that was sent before it.
func (b *Batcher) checkpoint() error {
	if err := b.flush(); err != nil {
		return err
	}
	if err := b.tally(); err != nil {
		return err
	}
	b.book.drop(b.book.first)
	return nil
}

// tally sends the tally.
func (b *Batcher) tally() error {
	return b.message(&fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Tally{Tally: b.snapshot()}})
}

// Granted is the slots of a call by their ordinals.
type Granted interface{ Slot(ordinal int64) int64 }

// Late accounts for slots whose patience was over before a sender could claim them: those with the ordinals from … to-1 of
// the grants. It does so as Rest does.
func (b *Batcher) Late(slots *schedule.Schedule, grants Granted, from, to int64, until time.Time) error {
	return b.notSent(slots, grants, from, to, outcome.NotSentLate, until)
}

// Rest accounts for the slots that nobody claimed: each gets its row, if outcomes have rows, as long as there is time; the others
// are folded into the tally.
func (b *Batcher) Rest(slots *schedule.Schedule, grants Granted, reason outcome.Reason, until time.Time) error {
	granted, claimed := b.progress.Position()
	if granted == schedule.Unbounded {
		return nil
	}
	return b.notSent(slots, grants, claimed, granted, reason, until)
}

func (b *Batcher) notSent(slots *schedule.Schedule, grants Granted, from, to int64, reason outcome.Reason, until time.Time) (broken error) {
	if b.options.TallyOnly || b.unheard {
		until = time.Time{}
	}
	rows := make([]outcome.Outcome, 0, min(to-from, bulkRows))
	for from < to && time.Now().Before(until) {
		rows = rows[:0]
		for ; from < to && len(rows) < bulkRows; from++ {
			slot := grants.Slot(from)
			rows = append(rows, outcome.Outcome{
				Slot: slot, Request: int32(slots.Request(slot)), NotSent: reason, Due: slots.Due(slot),
			})
		}
		if broken = b.batch(rows); broken != nil {
			if !b.goesOn {
				return broken
			}
			break
		}
	}
	b.book.over.AddNotSent(reason, to-from)
	b.book.over.Folded += to - from
	return broken
}

// Blocked notes that the call ended because the egress guard had refused too many of its requests, with one sentence on that.
func (b *Batcher) Blocked(message string) { b.blocked = message }

// Finish sends the last message, with what the call took.
func (b *Batcher) Finish(effort *run.Effort) error {
	return b.message(b.finished(effort))
}

func (b *Batcher) finished(effort *run.Effort) *fanoutv1.FanOutResponse {
	final := b.snapshot()
	for _, second := range final.Seconds {
		second.Complete = true
	}
	settled := final.Counts.Responses + final.Counts.Errors + final.Counts.NotSent
	final.Counts.Planned, final.Counts.Pending, final.Counts.InFlight = settled, 0, 0
	finished := &fanoutv1.FanOutFinished{Tally: final, Effort: wire.EffortProto(effort), BlockedMessage: b.blocked}
	if b.blocked != "" {
		finished.Reason = fanoutv1.FinishReason_FINISH_REASON_BLOCKED
	}
	return &fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Finished{Finished: finished}}
}

// snapshot is the tally as it is now, with what is pending and in flight.
func (b *Batcher) snapshot() *fanoutv1.Tally {
	total := b.Total()
	b.count(total)
	total.Stalled = b.queue.Stalled()
	snapshot := total.Snapshot(true)
	if !b.start.IsZero() {
		snapshot.Seconds = b.book.seconds(time.Since(b.start))
	}
	return wire.SnapshotProto(snapshot)
}

// count tells who counts all calls what has become of this one's slots.
func (b *Batcher) count(total *tally.Tally) {
	if b.options.Count != nil {
		b.options.Count(total)
	}
}

// Counts is where the slots of the call are now, as far as the batcher has their outcomes. It is meant for the log of a call
// whose stream broke.
func (b *Batcher) Counts() tally.Counts { return b.Total().Counts }

// Total is what has become of the call's slots until now, as far as the batcher has their outcomes. It is the caller's until the batcher is
// used again.
func (b *Batcher) Total() *tally.Tally {
	granted, begun := b.progress.Position()
	total := b.book.total()
	counts := &total.Counts
	counts.InFlight = max(begun-counts.Settled(), 0)
	counts.Pending = granted - begun
	if granted == schedule.Unbounded {
		counts.Pending = 0
	}
	counts.Planned = counts.Settled() + counts.InFlight + counts.Pending
	return total
}

func (b *Batcher) message(m *fanoutv1.FanOutResponse) error {
	b.sequence++
	m.Sequence = b.sequence
	err := b.send(m)
	b.lastSent = time.Now()
	return err
}
