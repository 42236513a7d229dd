package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// hostile is what targets do that mean harm, beside the oracle's scripts: what they write once they have read a request, or before
// it. What is again is written without end. After that they hold the connection until the client closes it.
var hostile = []struct {
	name   string
	first  string
	again  string
	pause  time.Duration // before each again
	unread bool          // they write before they have read anything
	want   outcome.Class
}{
	{name: "100,000 small headers", first: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 100_000) + "\r\n", want: outcome.ProtoHeadTooLarge},
	{name: "headers without end", first: "HTTP/1.1 200 OK\r\n", again: strings.Repeat("X-Flood: "+strings.Repeat("f", 100)+"\r\n", 100), want: outcome.ProtoHeadTooLarge},
	{name: "a header of 10 MiB", first: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 10<<20) + "\r\n\r\n", want: outcome.ProtoHeadTooLarge},
	{name: "a header without end", first: "HTTP/1.1 200 OK\r\nX: ", again: strings.Repeat("x", 32<<10), want: outcome.ProtoHeadTooLarge},
	{name: "a status line without end", again: "HTTP/1.1 200 " + strings.Repeat("x", 32<<10), want: outcome.ProtoHeadTooLarge},
	{name: "folded lines without end", first: "HTTP/1.1 200 OK\r\nX: y\r\n", again: strings.Repeat(" folded\r\n", 1000), want: outcome.ProtoHeadTooLarge},
	{name: "a head in drips", first: "HTTP/1.1 200 OK\r\n", again: "A", pause: 5 * time.Millisecond, want: outcome.TimeoutBody},
	{name: "hints in drips", again: "HTTP/1.1 103 Early Hints\r\n\r\n", pause: 5 * time.Millisecond, want: outcome.TimeoutBody},
	{name: "switching protocols", first: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", again: strings.Repeat("x", 32<<10)},
	{name: "chunk extensions", first: chunkedHead, again: "1;" + strings.Repeat("e", 4000) + "\r\nx\r\n", want: outcome.BodyChunk},
	{name: "a chunk extension without end", first: chunkedHead + "1;", again: strings.Repeat("e", 32<<10), want: outcome.BodyChunk},
	{name: "a chunk size of leading zeros without end", first: chunkedHead, again: strings.Repeat("0", 32<<10), want: outcome.BodyChunk},
	{name: "a chunk of 2^64-1 bytes", first: chunkedHead + "ffffffffffffffff\r\n", again: strings.Repeat("x", 32<<10), want: outcome.TimeoutBody},
	{name: "a chunk of 2^64 bytes", first: chunkedHead + "10000000000000000\r\n", again: strings.Repeat("x", 32<<10), want: outcome.BodyChunk},
	{name: "a negative chunk", first: chunkedHead + "-1\r\nx\r\n", want: outcome.BodyChunk},
	{name: "tiny chunks without end", first: chunkedHead, again: strings.Repeat("1\r\nx\r\n", 5000)},
	{name: "a trailer without end", first: chunkedHead + "0\r\n", again: strings.Repeat("X-Flood: trailer\r\n", 1000), want: outcome.BodyChunk},
	{name: "a trailer of one line without end", first: chunkedHead + "0\r\nX: ", again: strings.Repeat("x", 32<<10), want: outcome.BodyChunk},
	{name: "a body of 2^63-1 bytes", first: "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", again: strings.Repeat("x", 32<<10), want: outcome.TimeoutBody},
	{name: "a length beyond int64", first: "HTTP/1.1 200 OK\r\nContent-Length: 92233720368547758070\r\n\r\n", again: "x", want: outcome.ProtoMalformed},
	{name: "a negative length", first: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", want: outcome.ProtoMalformed},
	{name: "two lengths", first: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", want: outcome.ProtoMalformed},
	{name: "less than the length", first: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx", want: outcome.TimeoutBody},
	{name: "a body that only the end ends, and it never does", first: "HTTP/1.1 200 OK\r\n\r\n", again: strings.Repeat("x", 32<<10), want: outcome.TimeoutBody},
	{name: "more than the length, without end", first: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", again: strings.Repeat("x", 32<<10)},
	{name: "responses without end", again: strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 1000)},
	{name: "a response before the request", first: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", unread: true},
	{name: "zeros without end", again: strings.Repeat("\x00", 32<<10), want: outcome.ProtoHeadTooLarge},
	{name: "empty lines without end", again: strings.Repeat("\r\n", 16<<10), want: outcome.ProtoMalformed},
	{name: "a redirect with a location of 60 KiB", first: "HTTP/1.1 302 Found\r\nLocation: http://" + strings.Repeat("a.", 30<<10) + "\r\nContent-Length: 0\r\n\r\n"},
	{name: "a redirect to itself with a body without end", first: "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", again: strings.Repeat("x", 32<<10)},
}

// serveHostile serves what a target writes, until its clients are gone; silence is how long it waits for them after the last byte.
func serveHostile(t *testing.T, first, again string, pause time.Duration, unread bool) string {
	t.Helper()
	before, after := []byte(first), []byte(again)
	return serveEach(t, func(c net.Conn) {
		if !unread && !readHead(c) {
			return
		}
		if _, err := c.Write(before); err != nil {
			return
		}
		for len(after) > 0 {
			time.Sleep(pause)
			if _, err := c.Write(after); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, c) // until the client closes
	})
}

// readHead reads the head of a request.
func readHead(c net.Conn) bool {
	r := bufio.NewReaderSize(c, 4096)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false
		}
		if string(line) == "\r\n" {
			return true
		}
	}
}

// Whatever a target sends: each slot ends in its class, within its timeout, and what the process holds for it is bounded, and nothing
// of it is in the log. The class of those that have none is the engine's: that they are bounded is what counts.
func TestHostileTargets(t *testing.T) { // not parallel: it measures the process, and has its log
	var lines atomic.Int64
	log.SetOutput(writerFunc(func(b []byte) (int, error) {
		lines.Add(int64(bytes.Count(b, []byte("\n"))))
		return len(b), nil
	}))
	defer log.SetOutput(io.Discard)
	onEach(t, func(t *testing.T, e engine) {
		lines.Store(0)
		for _, tt := range hostile {
			t.Run(tt.name, func(t *testing.T) {
				address := serveHostile(t, tt.first, tt.again, tt.pause, tt.unread)
				p := planFor("http://" + address + "/")
				p.Requests[0].Timeout = 20 * time.Second // nobody needs that long, on a busy machine either
				if tt.want == outcome.NoError || tt.want == outcome.TimeoutBody {
					p.Requests[0].Timeout = 800 * time.Millisecond // it is what ends the slot
				}
				const senders, each = 8, 2
				memory := measureMemory()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				outcomes := sendWith(ctx, e.newClient(t, p, nil), senders, each)
				if grown := memory.grown(); grown > senders*memoryOfSender {
					t.Errorf("the process grew by %d bytes with %d senders, want at most %d", grown, senders, senders*memoryOfSender)
				}
				for _, o := range outcomes {
					if ctx.Err() != nil || o.Error == outcome.Cancelled {
						t.Fatalf("a slot of %v had not ended after a minute: %+v", p.Requests[0].Timeout, o)
					}
					if o.Error == outcome.Other || o.Error == outcome.Panic || tt.want != outcome.NoError && o.Error != tt.want {
						t.Fatalf("class = %v (%s), want %v", o.Error, o.Message, tt.want)
					}
				}
			})
		}
		// net/http tells package log of what comes unasked, which the command discards; once for a connection, not for each byte.
		most := int64(len(hostile)) * 8 * 2
		if e.name == "http1" {
			most = 0
		}
		if got := lines.Load(); got > most {
			t.Errorf("%d lines were logged, want at most %d", got, most)
		}
	})
}

// memoryOfSender is what a sender may hold, with what the server of this test holds for it: buffers, a head and a body of bounded
// length, none of which depends on how much the target sends.
const memoryOfSender = 2 << 20

type writerFunc func([]byte) (int, error)

// Write implements io.Writer.
func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// sendWith sends so many slots each from so many senders at once.
func sendWith(ctx context.Context, c *client, senders, each int) []outcome.Outcome {
	outcomes := make([]outcome.Outcome, senders*each)
	var running sync.WaitGroup
	for i := range senders {
		running.Go(func() {
			s := c.Sender()
			defer s.Close()
			for k := range each {
				o := &outcomes[i*each+k]
				o.Slot = int64(i*each + k)
				s.Send(ctx, o)
			}
		})
	}
	running.Wait()
	return outcomes
}

// memory is the greatest heap in use since it was begun, measured every few milliseconds.
type memory struct {
	before, most uint64
	stop, over   chan struct{}
}

func measureMemory() *memory {
	runtime.GC()
	m := &memory{stop: make(chan struct{}), over: make(chan struct{})}
	m.before = heapInUse()
	go func() {
		defer close(m.over)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			m.most = max(m.most, heapInUse())
			select {
			case <-tick.C:
			case <-m.stop:
				return
			}
		}
	}()
	return m
}

// grown ends the measurement.
func (m *memory) grown() uint64 {
	close(m.stop)
	<-m.over
	return max(m.most, m.before) - m.before
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// A target that never finishes its handshake, that sends what is no record, or records that do not belong there: the slot ends in its
// time, and nothing is sent.
func TestHostileHandshakes(t *testing.T) { onEach(t, testHostileHandshakes) }

func testHostileHandshakes(t *testing.T, e engine) {
	t.Parallel()
	record := func(kind byte, body string) string {
		return fmt.Sprintf("%c\x03\x03%c%c%s", kind, len(body)>>8, len(body)&0xff, body)
	}
	hello := "\x02\x00\x00\x26\x03\x03" + strings.Repeat("r", 32) + "\x00\x13\x01\x00" // a server's hello, without extensions
	for _, tt := range []struct {
		name, first, again string
		pause              time.Duration
	}{
		{name: "silence"},
		{name: "a record in drips", first: "\x16\x03\x03\x40\x00", again: "x", pause: 5 * time.Millisecond},
		{name: "half a record", first: "\x16\x03\x03\x40\x00half"},
		{name: "a record that is too long", first: "\x16\x03\x03\xff\xff", again: strings.Repeat("x", 32<<10)},
		{name: "a message of 16 MiB", again: record(22, "\x0b\xff\xff\xff"+strings.Repeat("c", 16000))},
		{name: "alerts without end", again: record(21, "\x01\x00")},
		{name: "warnings without end", again: record(21, "\x01\x5a")},
		{name: "empty records without end", again: record(22, "")},
		{name: "data before the handshake", again: record(23, strings.Repeat("d", 1000))},
		{name: "a request to negotiate anew", again: record(22, "\x00\x00\x00\x00")},
		{name: "a hello and garbage", first: record(22, hello), again: record(22, strings.Repeat("\xff", 1000))},
		{name: "hello again and again", again: record(22, hello)},
		{name: "changes of cipher without end", again: record(20, "\x01")},
		{name: "no record", again: strings.Repeat("\xff\xfe", 16<<10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address := serveEach(t, func(c net.Conn) {
				if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
					return
				}
				out := []byte(tt.first)
				for again := []byte(tt.again); ; out = again {
					if _, err := c.Write(out); err != nil || len(again) == 0 {
						break
					}
					time.Sleep(tt.pause)
				}
				_, _ = io.Copy(io.Discard, c)
			})
			p := planFor("https://" + address + "/")
			p.HTTP.TLSTimeout = 300 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for _, o := range sendWith(ctx, e.newClient(t, p, nil), 2, 2) {
				switch o.Error {
				case outcome.TLSTimeout, outcome.TLSAlert, outcome.TLSNotTLS, outcome.TLSVerify, outcome.TLSHostname:
				default:
					t.Errorf("class = %v (%s), want one of TLS", o.Error, o.Message)
				}
				if o.SentBytes != 0 || o.Status != 0 {
					t.Errorf("%d bytes were sent, and a response of %d came, without a handshake", o.SentBytes, o.Status)
				}
			}
		})
	}
}
