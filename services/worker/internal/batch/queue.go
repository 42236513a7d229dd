// Package batch is the way from a call's senders to its stream: a bounded queue that many senders fill, and one goroutine
// that empties it, keeps the tally and writes the stream.
package batch

import (
	"cmp"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/tally"
)

const (
	// outcomeSize is what an outcome is taken for, without what it points to: its 128 bytes, and three quarters of that for the
	// slice that grows.
	outcomeSize = 224
)

// Options are what becomes of a call's outcomes.
type Options struct {
	Groups    []string // by request
	TallyOnly bool     // no outcome is listed
	Bound     int64    // bytes of outcomes that wait for the stream, beyond which senders wait, or fold; default: the default cap
	Fold      bool     // outcomes for which there is no room are not listed; otherwise senders wait for room

	// Count is called by the batcher's goroutine with all that came about until then, whenever it makes a tally; nil: nobody counts.
	Count func(total *tally.Tally)
}

// Queue is the outcomes of a call that are not yet on the stream. It is safe for concurrent use.
type Queue struct {
	options Options
	bound   int           // on bytes
	ready   chan struct{} // capacity 1: something is queued
	bulk    chan struct{} // capacity 1: enough is queued to send at once

	mu      sync.Mutex
	room    sync.Cond // on mu: the queue was emptied or closed
	rows    []outcome.Outcome
	bytes   int
	folded  folded
	closed  bool // what is put is dropped
	waiting int
	since   time.Time     // since when somebody waits
	stalled time.Duration // in which somebody waited, before since
}

// NewQueue makes an empty queue.
func NewQueue(options Options) *Queue {
	q := &Queue{options: options, bound: int(cmp.Or(options.Bound, plan.DefaultCaps().QueueBytes)), ready: make(chan struct{}, 1), bulk: make(chan struct{}, 1)}
	q.room.L = &q.mu
	return q
}

// Put queues a copy of an outcome. While the queue is full it folds the outcome, or waits, until Discard.
func (q *Queue) Put(o *outcome.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.options.Fold && q.bytes >= q.bound && !q.closed {
		q.folded.add(o, q.options.Groups[o.Request])
		return
	}
	for q.bytes >= q.bound && !q.closed {
		q.wait()
	}
	if q.closed {
		return
	}
	q.rows = append(q.rows, *o)
	q.bytes += size(o)
	if len(q.rows) == 1 {
		signal(q.ready)
	}
	if len(q.rows) >= bulkRows || q.bytes >= bulkBytes {
		signal(q.bulk)
	}
}

// wait waits for room and accounts for the wait. The lock is held.
func (q *Queue) wait() {
	if q.waiting == 0 {
		q.since = time.Now()
	}
	q.waiting++
	q.room.Wait()
	q.waiting--
	if q.waiting == 0 {
		q.stalled += time.Since(q.since)
	}
}

// take empties the queue into the caller's hands; spare is a slice that the queue may fill next.
func (q *Queue) take(spare []outcome.Outcome) []outcome.Outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	rows := q.rows
	q.rows, q.bytes = spare[:0], 0
	select {
	case <-q.bulk: // it was about what is taken now
	default:
	}
	q.room.Broadcast()
	return rows
}

// takeFolded is what was folded since it was called last.
func (q *Queue) takeFolded() folded {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.folded
	q.folded = folded{}
	return taken
}

// isWaitedFor reports whether a sender waits with an outcome of the past.
func (q *Queue) isWaitedFor() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting > 0
}

// Stalled is the time in which at least one sender waited for room.
func (q *Queue) Stalled() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting > 0 {
		return q.stalled + time.Since(q.since)
	}
	return q.stalled
}

// Discard drops what is queued and all that is still put: the stream is gone. No sender waits any more.
func (q *Queue) Discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rows, q.bytes, q.closed, q.folded = nil, 0, true, folded{}
	q.room.Broadcast()
}

// signal wakes the reader of a channel with capacity 1, unless it has been woken already.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// size is about how much memory an outcome takes, and no less than its message.
func size(o *outcome.Outcome) int {
	n := outcomeSize + len(o.Message)
	if o.Connection != nil {
		n += 104
	}
	for _, h := range o.Headers {
		n += 32 + 2*(len(h.Name)+len(h.Value)) // every other byte may become U+FFFD on its way
	}
	if o.Body != nil {
		n += 32 + cap(o.Body.Bytes)
	}
	return n
}
