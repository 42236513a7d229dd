package http1

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// call sends one slot in a call of its own, and ends the call.
func call(t *testing.T, p *plan.Plan, pool *Pool) outcome.Outcome {
	t.Helper()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	client := mustNew(p, pool)
	s := client.Sender()
	o := outcome.Outcome{Due: client.now()}
	s.Send(ctx, &o)
	s.Close()
	client.Close()
	if o.Error != outcome.NoError {
		t.Errorf("outcome = %+v, want a response", o)
	}
	return o
}

// What a direct call leaves behind the next one uses, whatever became of the first one's context, unless it trusts others.
func TestCallsShareConnections(t *testing.T) {
	t.Parallel()
	o, caPEM := secureTarget(t, nil, answers(okay))
	p := planFor("https://" + o.Addr().String() + "/")
	p.HTTP.TLS.CAPEM = caPEM
	var pool Pool
	t.Cleanup(pool.Close)
	for i := range 5 {
		got := call(t, p, &pool)
		if (got.Connection != nil) != (i == 0) {
			t.Errorf("call %d has connection %+v, want one in the first", i, got.Connection)
		}
		time.Sleep(2 * stale)
	}
	trusting := planFor(p.Requests[0].URL)
	trusting.HTTP.TLS.InsecureSkipVerify = true
	if got := call(t, trusting, &pool); got.Connection == nil {
		t.Error("a call that trusts anyone uses the connection of one that does not")
	}
	if got := call(t, p, nil); got.Connection == nil {
		t.Error("a call without a pool has a connection from one")
	}
	if o.accepted() != 3 {
		t.Errorf("%d connections, want 3", o.accepted())
	}
	if len(pool.kept) != 2 {
		t.Errorf("%d connections are kept, want 2", len(pool.kept))
	}
}

// A kept connection that its target has closed is not handed out.
func TestPoolHandsOutNoneThatIsDead(t *testing.T) {
	t.Parallel()
	o := newTarget(t, func(p *peer) {
		p.request()
		p.send(okay) // and close, unannounced
	})
	var pool Pool
	t.Cleanup(pool.Close)
	for i := range 5 {
		if got := call(t, planFor(o.url()), &pool); got.Connection == nil {
			t.Errorf("call %d has no new connection", i)
		}
		time.Sleep(20 * time.Millisecond) // until the end is here; too early is as good, as the call would then fail
	}
}

// A call that is cut leaves no connection behind, whether one is in use then or rests: on the first a response may be still to
// come, and neither has a deadline that holds.
func TestCutCallsLeaveNothing(t *testing.T) {
	t.Parallel()
	o := newTarget(t, func(p *peer) {
		for p.request() {
			p.send(okay)
		}
	})
	for _, resting := range []bool{true, false} {
		var pool Pool
		ctx, cancel := context.WithCancelCause(t.Context())
		client := mustNew(planFor(o.url()), &pool)
		s := client.Sender()
		got := outcome.Outcome{Due: client.now()}
		if s.Send(ctx, &got); got.Error != outcome.NoError {
			t.Fatalf("outcome = %+v, want a response", got)
		}
		if resting {
			s.Close()
			cancel(errclass.ErrCancelled)
		} else {
			cancel(errclass.ErrCancelled)
			s.Close()
		}
		got = outcome.Outcome{Due: client.now()}
		if s.Send(ctx, &got); got.Error != outcome.Cancelled {
			t.Errorf("after the end of the call: %+v, want CANCELLED", got)
		}
		s.Close()
		client.Close()
		if len(pool.kept) != 0 {
			t.Errorf("resting %v: %d connections are kept, want none", resting, len(pool.kept))
		}
		pool.Close()
	}
}

// A connection carries as many requests as the plan says, and the last one says so; what it has carried for earlier calls
// counts.
func TestRequestsPerConnection(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int][]bool{ // by limit: which of six requests are the last of their connection
		0: {false, false, false, false, false, false},
		1: {true, true, true, true, true, true},
		2: {false, true, false, true, false, true},
		4: {false, false, false, true, false, false},
	} {
		for _, calls := range []bool{false, true} {
			closes := make(chan bool, len(want))
			o := newTarget(t, func(p *peer) {
				for p.heard(func(head []byte) { closes <- bytes.Contains(head, []byte("\r\nConnection: close\r\n")) }) {
					p.send(okay)
				}
			})
			p := planFor(o.url())
			p.HTTP.RequestsPerConnection = limit
			var pool Pool
			s := newSender(t, mustNew(p, nil))
			for slot, last := range want {
				var got outcome.Outcome
				if calls {
					got = call(t, p, &pool)
				} else {
					got = send(t, s, int64(slot))
				}
				isNew := slot == 0 || want[slot-1]
				if closed := <-closes; closed != last || (got.Connection != nil) != isNew {
					t.Errorf("limit %d, calls %v, request %d: closes %v on connection %+v, want %v, a new one: %v", limit, calls, slot, closed, got.Connection, last, isNew)
				}
			}
			pool.Close()
		}
	}
}

// A call that wants each request on a connection of its own gets none that has carried others.
func TestLimitedCallsTakeNoUsedConnections(t *testing.T) {
	t.Parallel()
	o := newTarget(t, answers(okay))
	var pool Pool
	t.Cleanup(pool.Close)
	for range 3 {
		call(t, planFor(o.url()), &pool)
	}
	limited := planFor(o.url())
	for _, limit := range []int{1, 3, 10} {
		isNew := limit < 10
		limited.HTTP.RequestsPerConnection = limit
		if got := call(t, limited, &pool); (got.Connection != nil) != isNew {
			t.Errorf("limit %d after 3 requests: connection %+v, want a new one: %v", limit, got.Connection, isNew)
		}
	}
}
