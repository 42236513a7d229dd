package batch

import (
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// maxQueued is the bound of a queue that was given none.
const maxQueued = 64 << 20

// position is a call that stands where it was put.
type position struct {
	mu      sync.Mutex
	granted int64
	claimed int64
}

func (p *position) Position() (granted, claimed int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.granted, p.claimed
}

func (p *position) claim(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claimed += n
}

// sent is a message and when it was sent, from the making of its line.
type sent struct {
	at time.Duration
	*fanoutv1.FanOutResponse
}

func (s sent) rows() int { return len(s.GetOutcomes().GetOutcomes()) }

// stream keeps what is sent. With delay it is a slow stream; with breaksAt it fails from that message on.
type stream struct {
	made     time.Time
	delay    func(sequence int64) time.Duration
	breaksAt int64
	messages []sent
}

var errBroken = errors.New("the caller hung up")

func (s *stream) send(m *fanoutv1.FanOutResponse) error {
	if s.breaksAt > 0 && m.GetSequence() >= s.breaksAt {
		return errBroken
	}
	encoded, err := proto.Marshal(m) // rows are known only to who decodes the message
	if err != nil {
		return err
	}
	got := &fanoutv1.FanOutResponse{}
	if err := proto.Unmarshal(encoded, got); err != nil {
		return err
	}
	s.messages = append(s.messages, sent{time.Since(s.made), got})
	if s.delay != nil {
		time.Sleep(s.delay(m.GetSequence()))
	}
	return nil
}

// tallies is the tallies sent, that of finished included.
func (s *stream) tallies() []sent {
	var all []sent
	for _, m := range s.messages {
		if tallyOf(m) != nil {
			all = append(all, m)
		}
	}
	return all
}

func tallyOf(m sent) *fanoutv1.Tally {
	if m.GetFinished() != nil {
		return m.GetFinished().GetTally()
	}
	return m.GetTally()
}

// line is a batcher between its two ends.
type line struct {
	*position
	*stream
	queue       *Queue
	batcher     *Batcher
	done, hurry chan struct{}
	ended       chan error // capacity 1: what Run returned
}

// newLine makes the line of a call with so many slots, whose run starts at this moment and whose requests are in these
// groups. Nothing runs yet.
func newLine(slots int64, start time.Time, groups ...string) *line {
	if len(groups) == 0 {
		groups = []string{""}
	}
	return newLineWith(Options{Groups: groups}, slots, start)
}

// newLineWith is newLine with all options.
func newLineWith(options Options, slots int64, start time.Time) *line {
	l := &line{
		position: &position{granted: slots},
		stream:   &stream{made: time.Now()},
		queue:    NewQueue(options),
		done:     make(chan struct{}),
		hurry:    make(chan struct{}),
		ended:    make(chan error, 1),
	}
	l.batcher = New(l.queue, l.position, start, l.send)
	return l
}

// unbounded is a line of a call without end that starts now, and is running.
func unbounded() *line {
	l := newLine(schedule.Unbounded, time.Now())
	l.run()
	return l
}

func (l *line) run() {
	go func() { l.ended <- l.batcher.Run(l.done, l.hurry) }()
}

// close ends the call and waits until Run returns.
func (l *line) close(t testing.TB) {
	t.Helper()
	close(l.done)
	if err := <-l.ended; err != nil {
		t.Errorf("Run() = %v, want no error", err)
	}
}

// put claims a slot and queues its outcome.
func (l *line) put(o outcome.Outcome) {
	l.claim(1)
	l.queue.Put(&o)
}

// sleepUntil sleeps until so long after the line was made.
func (l *line) sleepUntil(at time.Duration) { time.Sleep(at - time.Since(l.made)) }

// response is a response of that much memory, beside what an outcome takes, without a body if that is none.
func response(bytes int) outcome.Outcome {
	o := outcome.Outcome{Status: 200, Service: time.Millisecond}
	if bytes > 0 {
		o.Body = &outcome.Body{Bytes: make([]byte, bytes)}
	}
	return o
}
