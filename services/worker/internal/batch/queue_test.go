package batch

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// large is a response with a body of 1 MiB that is not UTF-8, so that its message shares it: memory of the queue's bound
// without the memory.
func large() func() outcome.Outcome {
	body := []byte(strings.Repeat("\xff", 1<<20))
	return func() outcome.Outcome { return outcome.Outcome{Status: 200, Body: &outcome.Body{Bytes: body}} }
}

// fill queues outcomes until the bound is reached, and is how many they were.
func fill(q *Queue, o func() outcome.Outcome) int {
	n := 0
	for bytes := 0; bytes < maxQueued; n++ {
		row := o()
		bytes += size(&row)
		q.Put(&row)
	}
	return n
}

// waiters starts senders that put an outcome each, at one second from now, at two, …; put counts those that are through.
func waiters(n int, q *Queue, put *atomic.Int64) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			time.Sleep(time.Duration(i+1) * time.Second)
			o := response(0)
			q.Put(&o)
			put.Add(1)
		})
	}
	return &all
}

func wantStalled(t *testing.T, q *Queue, want time.Duration) {
	t.Helper()
	if got := q.Stalled(); got != want {
		t.Errorf("Stalled() = %v, want %v", got, want)
	}
}

// A full queue makes senders wait until it is emptied, and the time in which any of them waits is stalled time, once.
func TestQueueBlocksAtItsBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(Options{})
		n := fill(q, large())
		if n < 60 || n > 64 {
			t.Errorf("outcomes of 1 MiB in the queue = %d, want about 64", n)
		}
		wantStalled(t, q, 0)
		var put atomic.Int64
		senders := waiters(3, q, &put)
		time.Sleep(4500 * ms)
		if got := put.Load(); got != 0 {
			t.Errorf("senders that could put into a full queue = %d, want none", got)
		}
		wantStalled(t, q, 3500*ms) // since the first came
		if got := len(q.take(nil)); got != n {
			t.Errorf("take() = %d outcomes, want %d", got, n)
		}
		senders.Wait()
		wantStalled(t, q, 3500*ms)
		if got := len(q.take(nil)); got != 3 {
			t.Errorf("take() = %d outcomes, want those of the 3 senders that waited", got)
		}
		fill(q, large())
		senders = waiters(1, q, &put)
		time.Sleep(2500 * ms)
		q.take(nil)
		senders.Wait()
		wantStalled(t, q, 5*time.Second)
	})
}

// Of the senders that wait, as many go on as there is room for.
func TestQueueFillsUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, o := NewQueue(Options{}), large()
		n := fill(q, o)
		var senders sync.WaitGroup
		for range n + 5 {
			senders.Go(func() { putOne(q, o()) })
		}
		synctest.Wait()
		if got := len(q.take(nil)); got != n {
			t.Errorf("take() = %d outcomes, want %d", got, n)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		wantStalled(t, q, time.Second)
		if got := len(q.take(nil)); got != n {
			t.Errorf("take() = %d outcomes of those that waited, want %d", got, n)
		}
		senders.Wait()
		if got := len(q.take(nil)); got != 5 {
			t.Errorf("take() = %d outcomes, want the last 5", got)
		}
	})
}

// Discard lets go of all that wait, and nobody waits for a stream that is gone any more.
func TestDiscard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q, o := NewQueue(Options{}), large()
		fill(q, o)
		var put atomic.Int64
		senders := waiters(3, q, &put)
		time.Sleep(3500 * ms)
		q.Discard()
		senders.Wait()
		if got := put.Load(); got != 3 {
			t.Errorf("senders that went on = %d, want 3", got)
		}
		fill(q, o)
		putOne(q, o())
		if got := q.take(nil); len(got) != 0 {
			t.Errorf("take() = %d outcomes after Discard, want none", len(got))
		}
		wantStalled(t, q, 2500*ms)
	})
}

// Senders that wait for a stream that stands still go on when it does, no outcome is lost, and the tally has the time.
func TestStalledStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, o := unbounded(), large()
		l.delay = func(sequence int64) time.Duration {
			if sequence == 1 {
				return 10 * time.Second
			}
			return 0
		}
		l.sleepUntil(100 * ms)
		l.put(response(0)) // is under way for 10 s
		synctest.Wait()
		n := fill(l.queue, o)
		l.sleepUntil(1100 * ms)
		l.put(response(0)) // waits for 9 s
		if got, want := time.Since(l.made), 10100*ms; got < want || got > want+pause {
			t.Errorf("Put returned after %v, want %v and the pause at most", got, want)
		}
		l.sleepUntil(11 * time.Second)
		l.close(t)
		if err := l.batcher.Finish(nil); err != nil {
			t.Errorf("Finish() = %v, want no error", err)
		}
		last := tallyOf(l.messages[len(l.messages)-1])
		if got, want := last.GetRecordsCount(), int64(n+2); got != want {
			t.Errorf("records = %d, want %d", got, want)
		}
		if got, want := last.GetStreamStalledDuration().AsDuration(), 9*time.Second; got < want || got > want+pause {
			t.Errorf("stream_stalled_duration = %v, want %v and the pause at most", got, want)
		}
	})
}

// The bound on a message holds for its encoding too: no outcome is counted with less than that.
func TestSizeIsNoLessThanTheMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		great := rapid.SampledFrom([]int64{0, 1, math.MaxInt64})
		span := func(label string) time.Duration { return time.Duration(great.Draw(t, label)) }
		text := rapid.SampledFrom([]string{"", "a", strings.Repeat("é", 128)})
		o := outcome.Outcome{
			Slot: great.Draw(t, "slot"), Request: math.MaxInt32, Status: 999, Error: outcome.Other, NotSent: outcome.NotSentLeaseLost,
			Due: span("due"), Lateness: span("lateness"), FirstByte: span("first byte"), Service: span("service"),
			SentBytes: great.Draw(t, "sent bytes"), ReceivedBytes: great.Draw(t, "received bytes"),
			Message: text.Draw(t, "message"), Redirects: math.MaxInt32,
		}
		if rapid.Bool().Draw(t, "opened a connection") {
			o.Connection = &outcome.Connection{
				Peer: "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", Protocol: "HTTP/1.1",
				DNS: span("DNS"), Dial: span("dial"), TLS: span("TLS"), TLSResumed: true,
			}
		}
		for range rapid.IntRange(0, 5).Draw(t, "headers") {
			o.Headers = append(o.Headers, outcome.Header{Name: text.Draw(t, "name"), Value: text.Draw(t, "value")})
		}
		if rapid.Bool().Draw(t, "body") {
			o.Body = &outcome.Body{Bytes: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes"), Truncated: rapid.Bool().Draw(t, "cut")}
		}
		message := &fanoutv1.OutcomeBatch{Outcomes: []*fanoutv1.Outcome{wire.OutcomeProto(&o)}}
		if got, want := size(&o), proto.Size(message); got < want {
			t.Fatalf("size(%+v) = %d, want at least the %d of its message", o, got, want)
		}
	})
}

func putOne(q *Queue, o outcome.Outcome) { q.Put(&o) }
