package httpstd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// Sender sends one slot's request at a time. It keeps the connection it used last, so that a sender of a plan with one
// origin shares nothing with the others.
type Sender struct {
	client *Client
	held   *conn
	origin origin // of held
}

// Sender makes a sender.
func (c *Client) Sender() *Sender { return &Sender{client: c} }

// Close gives the sender's connection to the others of its call.
func (s *Sender) Close() {
	if s.held != nil {
		s.client.idle.put(s.origin, s.held)
		s.held = nil
	}
}

// Send sends slot o.Slot's request o.Request, its redirects included, and notes in o what came of it, all but the times
// that only the caller knows. The context's end stops it; its cause says why.
func (s *Sender) Send(ctx context.Context, o *outcome.Outcome) {
	prepared := s.client.requests[o.Request]
	ctx, cancel := context.WithTimeoutCause(ctx, prepared.plan.Timeout, errclass.ErrTimeout)
	defer cancel()
	sent := time.Now()
	h := &hop{
		method: prepared.plan.Method, url: prepared.url, host: prepared.host,
		header: prepared.forSlot(o.Slot, s.client.options.SlotHeader), body: prepared.plan.Body,
	}
	for {
		a := &attempt{client: s.client, outcome: o, sent: sent, redirect: o.Redirects > 0}
		if ctx.Err() != nil {
			a.phase = errclass.Between
			a.fail(ctx, context.Cause(ctx))
			return
		}
		if h = s.attempt(ctx, h, a); h == nil {
			return
		}
		o.Redirects++
	}
}

var errUnsolicited = errors.New("a response came that nobody has asked for")

// attempt is one hop on the wire.
type attempt struct {
	client   *Client
	outcome  *outcome.Outcome
	sent     time.Time // of the slot
	redirect bool
	reused   bool
	chunked  bool
	headFull bool
	phase    errclass.Phase
	cause    error
}

// attempt carries out one hop; it returns the hop that follows, or nil when the outcome is there.
func (s *Sender) attempt(ctx context.Context, h *hop, a *attempt) *hop {
	c, err := s.connection(ctx, originOf(h.url), a)
	if err != nil {
		a.fail(ctx, err)
		return nil
	}
	next, err := s.exchange(ctx, c, h, a)
	if err != nil {
		a.fail(ctx, err)
		return nil
	}
	return next
}

// exchange carries out the hop on the connection, and keeps the connection only if another request can follow: also a panic
// must not leave one behind on which a response is still to come.
func (s *Sender) exchange(ctx context.Context, c *conn, h *hop, a *attempt) (*hop, error) {
	reusable := false
	defer func() {
		if !reusable {
			c.close()
			s.held = nil
		}
	}()
	var (
		next *hop
		err  error
	)
	next, reusable, err = a.exchange(ctx, c, h)
	return next, err
}

// connection is the one that the sender holds, an idle one of the call, or a new one.
func (s *Sender) connection(ctx context.Context, o origin, a *attempt) (*conn, error) {
	if s.held != nil && (s.origin != o || !s.held.usable()) {
		s.Close()
	}
	if s.held == nil && !s.client.fresh {
		s.held = s.client.idle.take(o)
	}
	s.origin = o
	if s.held == nil {
		c, err := s.client.open(ctx, o, a)
		if err != nil {
			return nil, err
		}
		s.held = c
		a.outcome.Connection = c.opened
	}
	a.reused = s.held.used
	s.held.used = true
	return s.held, nil
}

// exchange writes the request and reads the response. It reports whether the connection can carry another request.
func (a *attempt) exchange(ctx context.Context, c *conn, h *hop) (next *hop, reusable bool, err error) {
	early := c.wire.begin()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := &countedBody{Reader: bytes.NewReader(h.body)}
	var firstByte atomic.Int64 // since sent; 0: none
	request := a.request(a.trace(ctx, cancel, c, &firstByte), h, body)

	response, err := c.http.RoundTrip(request)
	a.outcome.SentBytes += body.sent.Load()
	if err == nil && a.reused && c.wire.received.Load() == 0 {
		// It was there before the request was: taken for the answer, it would put every later one out of step.
		_ = response.Body.Close()
		err = errUnsolicited
		firstByte.Store(0)
	}
	a.outcome.FirstByte = time.Duration(firstByte.Load())
	if err != nil {
		a.phase, a.cause = errclass.Phase(c.wire.phase.Load()), context.Cause(ctx)
		if early && !a.reused {
			a.phase = max(a.phase, errclass.Head) // a server that speaks first is none of HTTP
		}
		a.headFull = a.phase == errclass.Head && c.wire.received.Load() >= maxHead
		return nil, false, c.wire.failure(err)
	}
	a.phase = errclass.Body
	a.chunked = len(response.TransferEncoding) > 0
	a.outcome.Status = int32(response.StatusCode)
	next, err = a.follow(h, response)
	if err == nil {
		err = a.read(response, next == nil)
	}
	if err != nil {
		a.cause = context.Cause(ctx)
		_ = response.Body.Close()
		return nil, false, err
	}
	reusable = !response.Close && response.StatusCode != http.StatusSwitchingProtocols && c.usable()
	return next, reusable, nil
}

// follow is the hop that the response leads to, or nil when it is the slot's response.
func (a *attempt) follow(h *hop, response *http.Response) (*hop, error) {
	if int(a.outcome.Redirects) >= a.client.options.MaxRedirects {
		return nil, nil
	}
	next, _, err := h.next(response)
	return next, err
}

func (a *attempt) request(ctx context.Context, h *hop, body *countedBody) *http.Request {
	request := &http.Request{
		Method: h.method, URL: h.url, Host: h.host, Header: h.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(h.body) > 0 {
		request.Body, request.ContentLength = body, int64(len(h.body))
	}
	return request.WithContext(ctx)
}

// trace follows the exchange's phases, and ends it when the first byte is not there in time.
func (a *attempt) trace(ctx context.Context, cancel context.CancelCauseFunc, c *conn, firstByte *atomic.Int64) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err != nil {
				return
			}
			c.wire.reach(errclass.Wait)
			if limit := a.client.options.FirstByteTimeout; limit > 0 {
				timer := time.AfterFunc(limit, func() {
					if errclass.Phase(c.wire.phase.Load()) <= errclass.Wait {
						cancel(errclass.ErrTimeout)
					}
				})
				context.AfterFunc(ctx, func() { timer.Stop() })
			}
		},
		GotFirstResponseByte: func() { firstByte.Store(int64(max(time.Since(a.sent), 1))) },
	})
}

// fail notes the error as the slot's outcome.
func (a *attempt) fail(ctx context.Context, err error) {
	if a.cause == nil {
		a.cause = context.Cause(ctx)
	}
	failure := errclass.Failure{
		Err: err, Cause: a.cause, Phase: a.phase, Reused: a.reused, Redirect: a.redirect, Chunked: a.chunked, HeadFull: a.headFull,
	}
	a.outcome.Error = failure.Class()
	a.outcome.Message = failure.Message(a.outcome.Error)
}

// countedBody is a request's body that knows how much of it was read: net/http reads it in a goroutine of its own.
type countedBody struct {
	*bytes.Reader
	sent atomic.Int64
}

// Read reads the next bytes of the body.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.sent.Add(int64(n))
	return n, err
}

// WriteTo writes the rest of the body.
func (b *countedBody) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Reader.WriteTo(w)
	b.sent.Add(n)
	return n, err
}

// Close does nothing.
func (b *countedBody) Close() error { return nil }
