package http1

import (
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// A connection on which a panic was met is never used again: nobody knows what is still to come on it.
func TestPanicsLeaveNoConnection(t *testing.T) {
	t.Parallel()
	o := newTarget(t, answers(okay))
	for _, again := range []bool{true, false} {
		client := mustNew(planFor(o.url()), nil)
		s := newSender(t, client)
		if got := send(t, s, 0); got.Error != outcome.NoError || s.held == nil {
			t.Fatalf("outcome = %+v, want a response", got)
		}
		func() {
			defer func() { _ = recover() }()
			s.held.in = nil // to read into
			s.held.tail = 1
			send(t, s, 1)
			t.Error("Send() did not panic")
		}()
		if !again {
			s.Close()
			if s.held != nil || client.idle.count != 0 {
				t.Error("the connection is kept for others")
			}
			continue
		}
		if got := send(t, s, 2); got.Error != outcome.NoError || got.Connection == nil {
			t.Errorf("the next slot = %+v, want a response on a new connection", got)
		}
	}
}
