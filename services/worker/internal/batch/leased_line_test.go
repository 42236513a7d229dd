package batch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// leasedLine is a leased batcher between its two ends.
type leasedLine struct {
	*position
	queue     *Queue
	outlet    *Outlet
	batcher   *Leased
	begin     chan struct{} // closed by start
	end       chan struct{} // closed when the shard is to end before it has begun
	done      chan struct{} // closed when the last sender has ended
	ending    sync.Once     // closes done
	over      chan struct{} // closed when final is there
	final     *fanoutv1.FanOutResponse
	listeners []*listener
}

// newLeasedLine makes the line of a leased shard with so many slots, of which nobody has begun one, and lets it run.
func newLeasedLine(slots int64, options Options) *leasedLine {
	if options.Groups == nil {
		options.Groups = []string{"", ""}
	}
	l := &leasedLine{
		position: &position{granted: slots}, queue: NewQueue(options), outlet: NewOutlet(),
		begin: make(chan struct{}), end: make(chan struct{}), done: make(chan struct{}), over: make(chan struct{}),
	}
	l.batcher = NewLeased(l.queue, l.outlet, &fanoutv1.FanOutStarted{RunId: "run", LeaseId: "lease"})
	go l.run()
	return l
}

// begun is a line without end that has begun.
func begun() *leasedLine {
	l := newLeasedLine(schedule.Unbounded, Options{})
	close(l.begin)
	synctest.Wait()
	return l
}

func (l *leasedLine) run() {
	defer close(l.over)
	granted := int64(0)
	if l.batcher.Await(l.begin, l.end) {
		l.batcher.Begin(l.position, time.Now())
		l.batcher.Run(l.done, nil)
		granted, _ = l.Position()
		l.batcher.Rest(tenASecond(), schedule.Whole(granted), outcome.NotSentCancelled, time.Now().Add(time.Second))
	}
	l.final = l.batcher.Final(nil, fanoutv1.FinishReason_FINISH_REASON_COMPLETED, granted)
	l.batcher.End(l.final)
}

// put claims a slot and queues its outcome.
func (l *leasedLine) put(o outcome.Outcome) {
	l.claim(1)
	l.queue.Put(&o)
}

// finish ends the shard and waits for its final message.
func (l *leasedLine) finish() *fanoutv1.FanOutResponse {
	l.ending.Do(func() { close(l.done) })
	<-l.over
	return l.final
}

// listener is a stream that is attached.
type listener struct {
	ctx    context.Context
	cancel context.CancelFunc
	stuck  atomic.Bool                        // what is sent from now on stays under way
	slow   func(sequence int64) time.Duration // how long a message is under way; nil: no time

	mu     sync.Mutex
	stream // guarded by mu

	served   chan struct{}
	attached bool // what Serve returned
	err      error
}

func (s *listener) send(m *fanoutv1.FanOutResponse) error {
	if s.stuck.Load() {
		<-s.ctx.Done()
	}
	if s.slow != nil {
		time.Sleep(s.slow(m.GetSequence()))
	}
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.send(m)
}

// attach attaches another stream. Its end comes with the test's.
func (l *leasedLine) attach(t testing.TB) *listener { return l.attachAs(t, 0) }

// attachAs is attach of a caller with an epoch.
func (l *leasedLine) attachAs(t testing.TB, epoch int64) *listener {
	s := l.come(epoch, nil)
	t.Cleanup(s.cancel)
	synctest.Wait()
	return s
}

// come is attachAs of a stream that may be slow, and does not wait until the batcher has seen it.
func (l *leasedLine) come(epoch int64, slow func(int64) time.Duration) *listener {
	ctx, cancel := context.WithCancel(context.Background())
	s := &listener{stream: stream{made: time.Now()}, slow: slow, ctx: ctx, cancel: cancel, served: make(chan struct{})}
	l.listeners = append(l.listeners, s)
	go func() {
		defer close(s.served)
		s.attached, s.err = l.outlet.Serve(ctx, epoch, s.send)
	}()
	return s
}

// goesOn reports whether the listener's stream goes on.
func (s *listener) goesOn() bool {
	select {
	case <-s.served:
		return false
	default:
		return true
	}
}

// leaveAll ends all streams and the shard, so that nothing is left of a line.
func (l *leasedLine) leaveAll() {
	for _, s := range l.listeners {
		s.cancel()
		<-s.served
	}
	l.finish()
}

// got is the messages that the listener got.
func (s *listener) got() []sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// kinds is the messages that a listener got, in a letter each: started, outcomes, tally, finished.
func (s *listener) kinds() string {
	var all []byte
	for _, m := range s.got() {
		switch {
		case m.GetStarted() != nil:
			all = append(all, 's')
		case m.GetOutcomes() != nil:
			all = append(all, 'o')
		case m.GetTally() != nil:
			all = append(all, 't')
		default:
			all = append(all, 'f')
		}
	}
	return string(all)
}

// sequences is those of the messages that a listener got.
func (s *listener) sequences() (all []int64) {
	for _, m := range s.got() {
		all = append(all, m.GetSequence())
	}
	return all
}

// wantServed fails unless Serve has returned so.
func (s *listener) wantServed(t *testing.T, attached bool, want error) {
	t.Helper()
	if s.goesOn() {
		t.Errorf("Serve() goes on, want %v, %v", attached, want)
		return
	}
	if s.attached != attached || !errors.Is(s.err, want) {
		t.Errorf("Serve() = %v, %v, want %v, %v", s.attached, s.err, attached, want)
	}
}

// wantGot fails unless the listener got messages of these kinds and sequences.
func (s *listener) wantGot(t *testing.T, kinds string, sequences ...int64) {
	t.Helper()
	if got := s.kinds(); got != kinds || !slices.Equal(s.sequences(), sequences) {
		t.Errorf("a listener got %q with sequences %v, want %q with %v", got, s.sequences(), kinds, sequences)
	}
}
