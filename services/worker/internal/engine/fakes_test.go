package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ledger is what the senders of a call did, and what the call delivered. Offsets are from the run's start.
type ledger struct {
	start time.Time

	mu        sync.Mutex
	sent      map[int64]time.Duration // by slot
	twice     []int64                 // slots that were sent again
	delivered []outcome.Outcome
	made      int64 // senders
	open      int64 // senders that are not closed
	busy      int64 // senders in Send
	most      int64 // busy ones at any time
	admitted  int64
	released  int64
}

func (l *ledger) begin(slot int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.sent[slot]; ok {
		l.twice = append(l.twice, slot)
	}
	l.sent[slot] = time.Since(l.start)
	l.busy++
	l.most = max(l.most, l.busy)
}

func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
}

func (l *ledger) deliver(o outcome.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delivered = append(l.delivered, o)
}

// senders is how many senders have been made.
func (l *ledger) senders() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made
}

// slowSender answers each request after a time, unless the context ends first.
type slowSender struct {
	*ledger
	takes func(slot int64) time.Duration
}

func (s *slowSender) Send(ctx context.Context, o *outcome.Outcome) {
	s.begin(o.Slot)
	defer s.end()
	defer func() { o.Service = time.Since(s.start) - o.Due - o.Lateness }()
	timer := time.NewTimer(s.takes(o.Slot))
	defer timer.Stop()
	select {
	case <-timer.C:
		o.Status = 200
	case <-ctx.Done():
		f := errclass.Failure{Err: ctx.Err(), Cause: context.Cause(ctx), Phase: errclass.Wait}
		o.Error = f.Class()
	}
}

func (s *slowSender) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// deafSender answers after its time, whatever its context says.
type deafSender struct{ *slowSender }

func (s deafSender) Send(_ context.Context, o *outcome.Outcome) {
	s.slowSender.Send(context.Background(), o)
}

// panickingSender panics in the middle of every third slot.
type panickingSender struct{ *slowSender }

func (s panickingSender) Send(ctx context.Context, o *outcome.Outcome) {
	s.slowSender.Send(ctx, o)
	if o.Slot%3 == 0 {
		panic("the response is not what it seemed")
	}
}

func deaf(s *slowSender) engine.Sender      { return deafSender{s} }
func panicking(s *slowSender) engine.Sender { return panickingSender{s} }

// each is a time that each slot takes.
func each(d time.Duration) func(int64) time.Duration {
	return func(int64) time.Duration { return d }
}
