package http1

import (
	"context"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// Sender sends one slot's request at a time. It keeps the connection it used last, so that a sender of a plan with one
// origin shares nothing with the others.
type Sender struct {
	client  *Client
	held    *conn
	busy    bool // a slot is being sent; found so at the start of the next, it was left by a panic
	scratch []byte
	x       exchange
}

// Sender makes a sender.
func (c *Client) Sender() *Sender { return &Sender{client: c} }

// Close gives the sender's connection to the others of its call.
func (s *Sender) Close() {
	switch {
	case s.held == nil:
	case s.busy:
		s.abort()
	default:
		s.client.idle.put(s.held)
		s.held = nil
	}
}

func (s *Sender) drop() {
	s.held.close()
	s.held = nil
}

func (s *Sender) abort() {
	s.held.abort()
	s.held = nil
}

// Send implements engine.Sender.
func (s *Sender) Send(ctx context.Context, o *outcome.Outcome) {
	if s.busy && s.held != nil {
		s.abort()
	}
	s.busy = true
	sent := o.Due + o.Lateness
	s.x = exchange{client: s.client, outcome: o, sent: sent, at: sent}
	s.x.due = s.client.offset + sent + s.client.plan.Requests[o.Request].Timeout
	for r := s.client.requests[o.Request]; r != nil; {
		var failure *errclass.Failure
		if r, failure = s.hop(ctx, r); failure != nil {
			s.fail(ctx, failure)
			break
		}
		if r != nil {
			o.Redirects++
		}
	}
	o.Service = s.x.at - sent
	s.busy = false
}

// fail notes what failed as the slot's outcome.
func (s *Sender) fail(ctx context.Context, f *errclass.Failure) {
	o := s.x.outcome
	if cause := context.Cause(ctx); cause != nil {
		f.Cause = cause
	}
	f.Redirect = o.Redirects > 0
	o.Error = f.Class()
	o.Message = f.Message(o.Error)
	s.x.at = s.client.now()
}

// hop carries out one hop; it returns the one that follows, or nil when the outcome is there.
func (s *Sender) hop(ctx context.Context, r *rendered) (*rendered, *errclass.Failure) {
	x := &s.x
	if ctx.Err() != nil || x.client.offset+x.at >= x.due {
		return nil, &errclass.Failure{Err: errclass.ErrTimeout, Cause: errclass.ErrTimeout, Phase: errclass.Between}
	}
	if r.refused != nil {
		x.client.connector.Refused(r.refused)
		return nil, &errclass.Failure{Err: r.refused, Phase: errclass.Connect}
	}
	if failure := s.connect(ctx, r.origin); failure != nil {
		return nil, failure
	}
	if s.isLost() {
		s.abort()
		return nil, &errclass.Failure{Err: errclass.ErrLeaseLost, Cause: errclass.ErrLeaseLost, Phase: errclass.Between}
	}
	x.begin(s.held, r)
	reused := s.held.carried > 0
	s.held.carried++
	out, head := s.encode(r)
	next, reusable, err := x.carry(r, out, head)
	if err != nil {
		s.abort()
		return nil, &errclass.Failure{Err: err, Phase: x.phase, Reused: reused, Chunked: x.head.chunked, HeadFull: x.full, HeadCap: s.client.config.MaxHead}
	}
	if !reusable || s.isSpent() {
		s.drop()
	} else {
		s.held.rested = x.client.offset + x.at
		s.held.fit(int64(x.head.size) + x.head.length)
	}
	return next, nil
}

// isLost reports whether the call may not send any more, if time has passed since it was known.
func (s *Sender) isLost() bool {
	held := s.client.config.Held
	return held != nil && (s.held.carried == 0 || s.x.outcome.Redirects > 0) && !held()
}

// isSpent reports whether the connection has carried as many requests as it may.
func (s *Sender) isSpent() bool {
	limit := s.client.plan.HTTP.RequestsPerConnection
	return limit > 0 && s.held.carried >= limit
}

// encode is the bytes of the hop for this slot, and the length of their head. They are valid until the next hop.
func (s *Sender) encode(r *rendered) (out []byte, head int) {
	out, head = r.bytes, r.head
	if s.isSpent() {
		out, head = r.last, r.lastSize
	}
	if !s.client.plan.HTTP.SlotHeader {
		return out, head
	}
	s.scratch = withSlot(s.scratch[:0], out, head, s.x.outcome.Slot)
	return s.scratch, head + len(s.scratch) - len(out)
}

// connect makes the sender hold a connection to the origin: the one that it holds, an idle one of its call or of an earlier
// one, or a new one.
func (s *Sender) connect(ctx context.Context, o connect.Origin) *errclass.Failure {
	now := s.client.offset + s.x.at
	if s.held != nil && s.held.origin != o {
		s.client.idle.put(s.held)
		s.held = nil
	}
	if s.held != nil {
		if s.held.isAlive(now) {
			return nil
		}
		s.drop()
	}
	if !s.client.fresh {
		if s.held = s.client.idle.take(o); s.held != nil {
			return nil
		}
	}
	options := &s.client.plan.HTTP
	if s.held = s.client.config.Pool.take(key{s.client.config.Owner, o, options.TLS}, options.RequestsPerConnection); s.held != nil {
		s.held.line.watch(ctx)
		return nil
	}
	sheds := s.client.sheds.Load()
	opened, failure := s.client.open(ctx, o, s.x.due)
	if failure != nil && failure.Class() == outcome.LocalFiles && s.client.shed(sheds) {
		opened, failure = s.client.open(ctx, o, s.x.due)
	}
	if failure != nil {
		return failure
	}
	s.held, s.x.outcome.Connection = opened, opened.opened
	return nil
}
