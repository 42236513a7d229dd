package http1

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// What a target sends beyond a response shows that it is out of step, and is never taken for the answer to the next request:
// neither what fits the connection's buffer beside the response, nor what came with a body that is longer.
func TestWhatFollowsAResponseIsNoAnswer(t *testing.T) {
	t.Parallel()
	const extra = ok11 + "Content-Length: 5" + crlf + crlf + "extra"
	client := mustNew(readingPlan(), nil)
	for name, response := range map[string]string{
		"no body":              "HTTP/1.1 204 No Content" + crlf + crlf,
		"body":                 ok11 + "Content-Length: 5" + crlf + crlf + "hello",
		"long body":            ok11 + "Content-Length: 5000" + crlf + crlf + strings.Repeat("x", 5000),
		"longer body":          ok11 + "Content-Length: 500000" + crlf + crlf + strings.Repeat("x", 500_000),
		"as long as a buffer":  ok11 + "Content-Length: 2048" + crlf + crlf + strings.Repeat("x", 2048),
		"chunks":               ok11 + te + crlf + "5" + crlf + "hello" + crlf + "0" + crlf + crlf,
		"long chunks":          ok11 + te + crlf + "2710" + crlf + strings.Repeat("x", 10_000) + crlf + "0" + crlf + crlf,
		"chunks and a trailer": ok11 + te + crlf + "0" + crlf + "A: b" + crlf + crlf,
	} {
		for _, piece := range []int{1 << 20, 100, 4000, 1} {
			fake := &scriptedConn{end: io.EOF}
			for whole := []byte(response + extra); len(whole) > 0; {
				n := min(piece, len(whole))
				fake.pieces, whole = append(fake.pieces, whole[:n]), whole[n:]
			}
			s := &Sender{client: client, held: heldConn(fake)}
			o := outcome.Outcome{Due: client.now()}
			s.Send(t.Context(), &o)
			if o.Error != outcome.NoError || o.Status == 0 {
				t.Errorf("%s in %d: %+v, want a response", name, piece, o)
			}
			if seen := fake.delivered > len(response); seen != (s.held == nil) {
				t.Errorf("%s in %d: it can be used again: %v, with %d bytes read of %d", name, piece, s.held != nil, fake.delivered, len(response))
			}
		}
	}
}

// The same on a connection of the system, where all that has come can be seen.
func TestConnectionsOutOfStepAreClosed(t *testing.T) {
	t.Parallel()
	const body = 10_000
	o := newTarget(t, func(c *peer) {
		for c.request() {
			c.send(ok11 + "Content-Length: 10000" + crlf + crlf + strings.Repeat("x", body) + ok11 + "Content-Length: 5" + crlf + crlf + "extra")
		}
	})
	s := newSender(t, mustNew(planFor(o.url()), nil))
	for slot := range int64(20) {
		got := send(t, s, slot)
		if got.Error == outcome.NoError && got.ReceivedBytes != body {
			t.Errorf("slot %d = %+v, want %d bytes", slot, got, body)
		}
		if s.held != nil {
			t.Errorf("slot %d: the connection is kept", slot)
		}
		time.Sleep(0)
	}
}
