package httpstd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// Sender sends one slot's request at a time. It keeps the connection it used last, so that a sender of a plan with one
// origin shares nothing with the others.
type Sender struct {
	client *Client
	held   *conn
	origin connect.Origin // of held
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

// Send implements engine.Sender.
func (s *Sender) Send(ctx context.Context, o *outcome.Outcome) {
	sent := s.client.config.Start.Add(o.Due + o.Lateness)
	s.send(ctx, sent, o)
	o.Service = time.Since(sent)
}

// send sends the slot's request and follows its redirects.
func (s *Sender) send(ctx context.Context, sent time.Time, o *outcome.Outcome) {
	ctx, cancel := context.WithDeadlineCause(ctx, sent.Add(s.client.plan.Requests[o.Request].Timeout), errclass.ErrTimeout)
	defer cancel()
	h, refused := s.client.firstHop(o), s.client.refused[o.Request]
	for {
		a := &attempt{client: s.client, outcome: o, sent: sent, redirect: o.Redirects > 0}
		if ctx.Err() != nil {
			a.phase = errclass.Between
			a.fail(ctx, context.Cause(ctx))
			return
		}
		if refused != nil {
			s.client.connector.Refused(refused)
			a.fail(ctx, refused)
			return
		}
		if h = s.attempt(ctx, h, a); h == nil {
			return
		}
		o.Redirects++
		refused = s.client.connector.CheckNames(h.Origin(), h.Host)
	}
}

// firstHop is the first hop of the slot.
func (c *Client) firstHop(o *outcome.Outcome) *request.Hop {
	h := c.hops[o.Request]
	if !c.plan.HTTP.SlotHeader {
		return h
	}
	own := *h
	own.Header = h.Header.Clone()
	own.Header.Set(request.SlotHeader, strconv.FormatInt(o.Slot, 10))
	return &own
}

var errUnsolicited = errors.New("a response came that nobody has asked for")

// attempt is one hop on the wire.
type attempt struct {
	client   *Client
	outcome  *outcome.Outcome
	sent     time.Time // of the slot
	redirect bool
	reused   bool
	last     bool // of the requests that the connection may carry
	chunked  bool
	headFull bool
	phase    errclass.Phase
	cause    error
}

// attempt carries out one hop; it returns the hop that follows, or nil when the outcome is there.
func (s *Sender) attempt(ctx context.Context, h *request.Hop, a *attempt) *request.Hop {
	c, err := s.connection(ctx, h.Origin(), a)
	if err != nil {
		a.fail(ctx, err)
		return nil
	}
	if held := s.client.config.Held; held != nil && (!a.reused || a.redirect) && !held() {
		a.phase, a.cause = errclass.Between, errclass.ErrLeaseLost
		a.fail(ctx, errclass.ErrLeaseLost)
		s.held.close()
		s.held = nil
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
func (s *Sender) exchange(ctx context.Context, c *conn, h *request.Hop, a *attempt) (*request.Hop, error) {
	reusable := false
	defer func() {
		if !reusable {
			c.close()
			s.held = nil
		}
	}()
	var (
		next *request.Hop
		err  error
	)
	next, reusable, err = a.exchange(ctx, c, h)
	return next, err
}

// connection is the one that the sender holds, an idle one of the call, or a new one.
func (s *Sender) connection(ctx context.Context, o connect.Origin, a *attempt) (*conn, error) {
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
	a.reused = s.held.carried > 0
	s.held.carried++
	if limit := s.client.plan.HTTP.RequestsPerConnection; limit > 0 {
		a.last = s.held.carried >= limit
	}
	return s.held, nil
}

// open makes a new connection to the origin. When it fails the attempt's phase and cause say how far it got.
func (c *Client) open(ctx context.Context, o connect.Origin, a *attempt) (*conn, error) {
	sheds := c.idle.sheds.Load()
	raw, opened, failure := c.connector.Open(ctx, o, nil)
	// Connections that nobody holds may not cost a slot its file descriptor.
	if failure != nil && failure.Class() == outcome.LocalFiles && c.idle.shed(sheds) {
		raw, opened, failure = c.connector.Open(ctx, o, nil)
	}
	if failure != nil {
		a.phase, a.cause = failure.Phase, failure.Cause
		return nil, failure.Err
	}
	wire := &wireConn{Conn: raw}
	client, err := c.transport.NewClientConn(context.WithValue(ctx, handedOver{}, net.Conn(wire)), o.Scheme, o.Address)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{http: client, wire: wire, opened: opened}, nil
}

// exchange writes the request and reads the response. It reports whether the connection can carry another request.
func (a *attempt) exchange(ctx context.Context, c *conn, h *request.Hop) (next *request.Hop, reusable bool, err error) {
	early := c.wire.begin()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body := &countedBody{Reader: bytes.NewReader(h.Body)}
	var firstByte atomic.Int64 // since sent; 0: none

	response, err := c.http.RoundTrip(a.request(a.trace(ctx, cancel, c, &firstByte), h, body))
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
		a.headFull = a.phase == errclass.Head && c.wire.received.Load() >= int64(a.client.config.MaxHead)
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
	reusable = !response.Close && !a.last && response.StatusCode != http.StatusSwitchingProtocols && c.usable()
	return next, reusable, nil
}

// follow is the hop that the response leads to, or nil when it is the slot's response.
func (a *attempt) follow(h *request.Hop, response *http.Response) (*request.Hop, error) {
	if int(a.outcome.Redirects) >= a.client.plan.HTTP.MaxRedirects {
		return nil, nil
	}
	return h.Next(response.StatusCode, response.Header.Get("Location"))
}

func (a *attempt) request(ctx context.Context, h *request.Hop, body *countedBody) *http.Request {
	out := &http.Request{
		Method: h.Method, URL: h.URL, Host: h.Host, Header: h.Header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Close: a.last,
	}
	if len(h.Body) > 0 {
		out.Body, out.ContentLength = body, int64(len(h.Body))
	}
	return out.WithContext(ctx)
}

// trace follows the exchange's phases, and ends it when the first byte is not there in time.
func (a *attempt) trace(ctx context.Context, cancel context.CancelCauseFunc, c *conn, firstByte *atomic.Int64) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err != nil {
				return
			}
			c.wire.reach(errclass.Wait)
			if limit := a.client.plan.HTTP.FirstByteTimeout; limit > 0 {
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
		Err: err, Cause: a.cause, Phase: a.phase, Reused: a.reused, Redirect: a.redirect, Chunked: a.chunked, HeadFull: a.headFull, HeadCap: a.client.config.MaxHead,
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
