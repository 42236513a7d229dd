package account

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
)

var groups = []string{"", "a", "b"}

func drawOutcomes(t *rapid.T) []outcome.Outcome {
	rows := make([]outcome.Outcome, rapid.IntRange(0, 40).Draw(t, "slots"))
	for i := range rows {
		o := outcome.Outcome{
			Slot: int64(i), Request: int32(rapid.IntRange(0, 2).Draw(t, "request")),
			Due: time.Duration(rapid.IntRange(0, 4000).Draw(t, "due")) * time.Millisecond,
		}
		switch rapid.IntRange(0, 3).Draw(t, "end") {
		case 0:
			o.NotSent = rapid.SampledFrom(outcome.Reasons()).Draw(t, "reason")
		case 1:
			o.Error = rapid.SampledFrom(outcome.Classes()).Draw(t, "class")
			o.Message = rapid.SampledFrom([]string{"", "one", "two", "three"}).Draw(t, "message")
			o.Service = time.Duration(rapid.IntRange(0, 3000).Draw(t, "service")) * time.Millisecond
		default:
			o.Status = int32(rapid.SampledFrom([]int{200, 404, 503}).Draw(t, "status"))
			o.Service = time.Duration(rapid.IntRange(0, 3000).Draw(t, "service")) * time.Millisecond
			o.ReceivedBytes = 10
		}
		rows[i] = o
	}
	return rows
}

// message is one message of a stream: started, a batch, or a tally, of which the last one is final.
type message struct {
	sequence int64
	started  bool
	rows     []outcome.Outcome
	tally    *tally.Snapshot
	final    bool
	granted  int64 // with final
}

func (m message) to(a *Account) {
	switch {
	case m.started:
		a.Started(m.sequence)
	case m.final:
		a.Finished(m.sequence, m.tally, m.granted, outcome.NotSentRunEnded)
	case m.tally != nil:
		a.Tally(m.sequence, m.tally)
	default:
		a.Outcomes(m.sequence, m.rows)
	}
}

// worker is the messages of a shard whose outcomes are given: its sequence runs on over its streams.
type worker struct {
	granted  int64
	sequence int64
	sum      tally.Tally
	cells    map[int64]*tally.Tally // by second
	first    int64                  // seconds before it are complete
	dropped  int64                  // seconds before it are not told any more
}

func newWorker(granted int64) *worker {
	return &worker{granted: granted, cells: map[int64]*tally.Tally{0: new(tally.Tally)}}
}

func (w *worker) next(m message) message {
	w.sequence++
	m.sequence = w.sequence
	return m
}

func (w *worker) started() message { return w.next(message{started: true}) }

// take counts outcomes: in a batch, or folded, which is no message.
func (w *worker) take(rows []outcome.Outcome, folded bool) (m message, ok bool) {
	for i := range rows {
		o := &rows[i]
		w.sum.Add(o, groups[o.Request])
		if o.NotSent != outcome.Sent {
			continue
		}
		second := max(o.Second(), w.first)
		if w.cells[second] == nil {
			w.cells[second] = new(tally.Tally)
		}
		w.cells[second].Add(o, "")
	}
	if folded || len(rows) == 0 {
		w.sum.Folded += int64(len(rows))
		return message{}, false
	}
	w.sum.Records += int64(len(rows))
	return w.next(message{rows: rows}), true
}

// tally is the tally as it is now. The seconds before complete are complete from now on.
func (w *worker) tally(complete int64) message {
	w.first = max(w.first, complete)
	if w.cells[w.first] == nil {
		w.cells[w.first] = new(tally.Tally)
	}
	left := w.granted - w.sum.Counts.Settled()
	w.sum.Counts.Planned, w.sum.Counts.InFlight = w.granted, min(left, 3)
	w.sum.Counts.Pending = left - w.sum.Counts.InFlight
	return w.next(message{tally: w.snapshot(false)})
}

func (w *worker) finished() message {
	w.sum.Counts.Planned, w.sum.Counts.InFlight, w.sum.Counts.Pending = w.sum.Counts.Settled(), 0, 0
	return w.next(message{tally: w.snapshot(true), final: true, granted: w.granted})
}

func (w *worker) snapshot(final bool) *tally.Snapshot {
	s := w.sum.Snapshot(true)
	for second, cell := range w.cells {
		if second >= w.dropped {
			s.Seconds = append(s.Seconds, tally.Second{
				Second: second, Tally: cell.Snapshot(true), Complete: final || second < w.first,
			})
		}
	}
	slices.SortFunc(s.Seconds, func(a, b tally.Second) int { return int(a.Second - b.Second) })
	return s
}

// acknowledge drops the complete seconds before the given one.
func (w *worker) acknowledge(second int64) { w.dropped = max(w.dropped, min(second, w.first)) }

// stream is one whole stream of these rows, in batches of any size with tallies anywhere between. Any of them are folded.
func stream(t *rapid.T, rows []outcome.Outcome) (messages []message, w *worker) {
	w = newWorker(int64(len(rows)))
	messages = append(messages, w.started())
	folds := rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "folds of three") // none, some, or all
	for len(rows) > 0 {
		n := rapid.IntRange(1, len(rows)).Draw(t, "batch")
		if m, ok := w.take(rows[:n], rapid.IntRange(1, 3).Draw(t, "fold") <= folds); ok {
			messages = append(messages, m)
		}
		rows = rows[n:]
		if rapid.Bool().Draw(t, "checkpoint") {
			messages = append(messages, w.tally(w.first+int64(rapid.IntRange(0, 1).Draw(t, "seconds"))))
		}
	}
	return append(messages, w.finished()), w
}
