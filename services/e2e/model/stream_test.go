package model

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

const (
	// window is how many messages are on their way before a worker waits.
	window = 8
	// keepalive is how long either side of a stream puts up with silence.
	keepalive = 15 * time.Second
)

// message is an encoded message on its way.
type message struct {
	bytes []byte
	at    time.Time // when it arrives
}

// stream is one FanOut call: a grpc.ClientStream for the coordinator, and through served the worker's side of it.
type stream struct {
	conn    *conn
	ctx     context.Context // the coordinator's
	request *fanoutv1.FanOutRequest

	messages chan message
	err      error         // how the worker ended it; to be read after messages is closed
	broken   chan struct{} // closed when the coordinator hears that it broke
	why      error         // to be read after broken
	breaks   sync.Once
	over     chan struct{} // closed when the worker's side has ended

	serving context.Context // the worker's
	hangUp  context.CancelFunc
}

func (s *stream) Header() (metadata.MD, error) { return nil, nil }
func (s *stream) Trailer() metadata.MD         { return nil }
func (s *stream) Context() context.Context     { return s.ctx }

// SendMsg implements grpc.ClientStream.
func (s *stream) SendMsg(m any) error {
	s.request = proto.Clone(m.(proto.Message)).(*fanoutv1.FanOutRequest)
	return nil
}

// CloseSend implements grpc.ClientStream: the call goes out.
func (s *stream) CloseSend() error {
	w := s.conn.brain.world
	w.spawn(s.watch)
	w.spawn(s.serve)
	return nil
}

// RecvMsg implements grpc.ClientStream.
func (s *stream) RecvMsg(m any) error {
	w := s.conn.brain.world
	select {
	case next, ok := <-s.messages:
		if !ok {
			return s.err
		}
		if !w.pause(time.Until(next.at), s.ctx.Done()) || !s.conn.node.link.await(s.ctx.Done(), s.broken) {
			break
		}
		select {
		case <-s.broken:
		default:
			return proto.Unmarshal(next.bytes, m.(proto.Message))
		}
	case <-s.broken:
	case <-s.ctx.Done():
	}
	select {
	case <-s.broken:
		return s.why
	default:
		return status.FromContextError(context.Cause(s.ctx)).Err()
	}
}

// serve is the worker's side.
func (s *stream) serve() {
	defer close(s.over)
	defer s.hangUp()
	n := s.conn.node
	w := n.world
	if !w.pause(n.dice.span(0, w.manners().delay), s.serving.Done()) || !n.link.await(s.serving.Done()) {
		s.end(errReset)
		return
	}
	p := n.current()
	if p == nil {
		s.end(errRefused)
		return
	}
	p.active.Add(1)
	defer p.active.Add(-1)
	defer context.AfterFunc(p.life, s.hangUp)()
	shard := s.request.GetShard()
	w.trace.note(p.name, "attached by %s: shard %s lease %.4s epoch %d", s.conn.brain.name, shard.GetShardId(), shard.GetLeaseId(), shard.GetEpoch())
	err := p.worker.FanOut(w.open(p, s.request), &served{stream: s, process: p})
	w.trace.note(p.name, "ends the stream of %s: %v", s.conn.brain.name, err)
	switch {
	case w.ledger.isDead(p):
		err = errReset
	case err == nil:
		err = io.EOF
	default:
		err = status.Convert(err).Err()
	}
	s.end(err)
}

func (s *stream) end(err error) {
	s.err = err
	close(s.messages)
}

// fail has the coordinator hear that the stream broke.
func (s *stream) fail(why error) {
	s.breaks.Do(func() {
		s.why = why
		close(s.broken)
	})
}

// watch breaks the stream when it is time to, for both sides, which do not hear of it at once.
func (s *stream) watch() {
	c, n := s.conn, s.conn.node
	w := n.world
	defer s.hangUp()
	breaks, silent := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	defer breaks.Stop()
	defer silent.Stop()
	if mean := w.manners().breaks; mean > 0 {
		breaks.Reset(n.dice.wait(mean))
	}
	why, late := errReset, n.dice.span(0, keepalive)
	for wasCut := false; ; {
		cut, changed := n.link.look()
		if cut != wasCut {
			wasCut = cut
			silent.Reset(time.Hour)
			if cut {
				silent.Reset(keepalive)
			}
		}
		select {
		case <-s.over:
			return
		case <-changed:
			continue
		case <-silent.C:
			why, late = errSilent, 0
		case <-breaks.C:
			if w.manners().breaks == 0 {
				continue
			}
		case <-n.broken():
		case <-s.ctx.Done():
			late = n.dice.span(0, w.manners().delay)
		case <-c.closed:
			why, late = errClosed, n.dice.span(0, w.manners().delay)
		case <-c.brain.killed:
			late = n.dice.span(0, w.manners().delay)
		case <-w.life.Done():
			return
		}
		break
	}
	if s.ctx.Err() == nil && n.dice.chance(0.3) { // the worker hears first
		s.hangUp()
		w.pause(n.dice.span(0, time.Second), s.over)
	}
	s.fail(why)
	w.pause(late, s.over)
}

// served is the worker's side of a stream.
type served struct {
	grpc.ServerStream
	stream  *stream
	process *process
	last    time.Time
	begun   bool // started was sent
}

func (s *served) Context() context.Context { return s.stream.serving }

var errDead = errors.New("the process is dead")

// Send implements grpc.ServerStreamingServer. It waits while the window is full.
func (s *served) Send(m *fanoutv1.FanOutResponse) error {
	w := s.process.node.world
	bytes, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if bytes, err = w.disguise(s, bytes); err != nil {
		return err
	}
	if at := time.Now().Add(s.process.node.dice.span(0, w.manners().delay)); at.After(s.last) {
		s.last = at
	}
	if w.ledger.isDead(s.process) {
		return errDead
	}
	select {
	case s.stream.messages <- message{bytes, s.last}:
		return nil
	case <-s.stream.serving.Done():
		return status.FromContextError(s.stream.serving.Err()).Err()
	}
}
