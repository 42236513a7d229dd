package batch

import (
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Leased is the batcher of a shard that outlives its streams. Its sequence runs on over them; each begins with started and the tally
// of all that was before. While none is attached outcomes are folded, whatever was asked: waiting would stop the load.
//
// One goroutine uses it, which calls Await, then Run, Rest, Final and End; Acknowledge is safe to call from anywhere.
type Leased struct {
	Batcher
	outlet   *Outlet
	listener *Listener // nil: none
	started  *fanoutv1.FanOutStarted
	acked    chan int64 // capacity 1
}

// NewLeased makes the batcher of a leased shard. Every stream begins with started.
func NewLeased(queue *Queue, outlet *Outlet, started *fanoutv1.FanOutStarted) *Leased {
	b := &Leased{outlet: outlet, started: started, acked: make(chan int64, 1)}
	b.Batcher = Batcher{queue: queue, options: queue.options, goesOn: true, unheard: true, progress: nowhere{}}
	b.send = b.hand
	return b
}

// nowhere is the progress of a shard that has no slot yet.
type nowhere struct{}

// Position implements Progress.
func (nowhere) Position() (granted, claimed int64) { return 0, 0 }

// Acknowledge says that the figures of the seconds before the given one are kept elsewhere.
func (b *Leased) Acknowledge(second int64) {
	for {
		select {
		case b.acked <- second:
			return
		case earlier := <-b.acked:
			second = max(second, earlier)
		}
	}
}

// Await serves streams until begin is closed, which is reported, or end. A shard that has begun and ended is one that has begun.
func (b *Leased) Await(begin, end <-chan struct{}) bool {
	for {
		select {
		case <-begin:
			return true
		case <-end:
			select {
			case <-begin:
				return true
			default:
				return false
			}
		case l := <-b.outlet.attach:
			b.listen(l)
		}
	}
}

// Begin gives the batcher the call that has begun.
func (b *Leased) Begin(progress Progress, start time.Time) { b.progress, b.start = progress, start }

// Run brings outcomes to whoever is attached until done is closed and the queue is empty. From hurry on it does not pause.
func (b *Leased) Run(done, hurry <-chan struct{}) {
	ready := b.queue.ready
	if b.options.TallyOnly {
		ready = b.queue.bulk
	}
	checkpoint := time.NewTicker(checkpointInterval)
	defer checkpoint.Stop()
	for {
		select {
		case <-ready:
			if !b.options.TallyOnly {
				b.await(done, hurry)
			}
			b.hear(b.flush())
		case <-checkpoint.C:
			b.checkpoint()
		case second := <-b.acked:
			b.book.drop(second)
		case l := <-b.outlet.attach:
			b.listen(l)
		case <-b.gone():
			b.hear(errUnheard)
		case <-done:
			b.hear(b.flush())
			return
		}
	}
}

// checkpoint sends the tally, if somebody is attached.
func (b *Leased) checkpoint() {
	b.hear(b.flush())
	b.book.bound()
	if b.listener == nil {
		b.count(b.Total())
		return
	}
	b.hear(b.tally())
}

// listen begins the stream of a new listener. One that was replaced before it came here may come after the one that replaced it.
func (b *Leased) listen(l *Listener) {
	select {
	case <-l.gone:
		return
	default:
	}
	if !b.start.IsZero() { // else nothing came about, nor has a second passed
		b.hear(b.flush()) // folded, or to the one before
	}
	b.listener, b.unheard = l, false
	if b.hear(b.Batcher.Started(b.started)) && !b.start.IsZero() {
		b.hear(b.tally())
	}
}

// hear notes that nobody listens any more after an error, and reports whether there was none. The stream's handler may still have
// the last message, so its buffer is not used again.
func (b *Leased) hear(err error) bool {
	if err != nil {
		if b.listener != nil {
			b.listener.end()
		}
		b.listener, b.unheard, b.rows = nil, true, wire.Rows{}
	}
	return err == nil
}

// Late is Batcher's.
func (b *Leased) Late(slots *schedule.Schedule, grants Granted, from, to int64, until time.Time) {
	b.hear(b.Batcher.Late(slots, grants, from, to, until))
}

// Rest is Batcher's.
func (b *Leased) Rest(slots *schedule.Schedule, grants Granted, reason outcome.Reason, until time.Time) {
	b.hear(b.Batcher.Rest(slots, grants, reason, until))
}

// hand sends one message.
func (b *Leased) hand(m *fanoutv1.FanOutResponse) error {
	if b.listener == nil {
		return errUnheard
	}
	return b.listener.send(m)
}

// gone is closed when the one who listens has gone.
func (b *Leased) gone() <-chan struct{} {
	if b.listener == nil {
		return nil
	}
	return b.listener.gone
}

// Final makes the last message, which is the same for whoever comes later.
func (b *Leased) Final(effort *run.Effort, reason fanoutv1.FinishReason, granted int64) *fanoutv1.FanOutResponse {
	final := b.finished(effort)
	final.GetFinished().Reason, final.GetFinished().GrantedCount = reason, granted
	b.sequence++
	final.Sequence = b.sequence
	return final
}

// End sends the last message, if somebody listens, and closes the outlet. The message is kept elsewhere before: whoever has it may say
// at once that it need not be.
func (b *Leased) End(final *fanoutv1.FanOutResponse) {
	_ = b.hand(final)
	b.outlet.close()
}
