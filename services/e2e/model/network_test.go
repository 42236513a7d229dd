package model

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

var (
	errRefused = status.Error(codes.Unavailable, "connection refused")
	errClosed  = status.Error(codes.Unavailable, "the connection is closed")
	errReset   = status.Error(codes.Unavailable, "connection reset by peer")
	errSilent  = status.Error(codes.Unavailable, "keepalive ping failed to receive ACK within timeout")
)

// link is the way between the coordinators and one worker, which can be cut.
type link struct {
	mu      sync.Mutex
	cuts    int           // guarded by mu, like what follows
	changed chan struct{} // closed when that changes
}

func newLink() *link { return &link{changed: make(chan struct{})} }

func (w *link) change(by int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts += by
	close(w.changed)
	w.changed = make(chan struct{})
}

// look reports whether the link is cut, and what is closed when that may have changed.
func (w *link) look() (cut bool, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cuts > 0, w.changed
}

// await waits until the link is whole; false: one of the others was closed first.
func (w *link) await(done ...<-chan struct{}) bool {
	for {
		cut, changed := w.look()
		if !cut {
			return true
		}
		if len(done) == 1 {
			done = append(done, nil)
		}
		select {
		case <-changed:
		case <-done[0]:
			return false
		case <-done[1]:
			return false
		}
	}
}

// conn is a coordinator's connection to a worker. It implements coordinator.Conn.
type conn struct {
	brain  *brain
	node   *node
	closed chan struct{}
	once   sync.Once
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// isDown reports whether nothing goes out any more: the connection was closed, or its coordinator is dead.
func (c *conn) isDown() bool {
	select {
	case <-c.closed:
		return true
	case <-c.brain.killed:
		return true
	default:
		return false
	}
}

// result is how a call ended.
type result struct {
	message proto.Message
	err     error
}

// Invoke implements grpc.ClientConnInterface.
func (c *conn) Invoke(ctx context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	if c.isDown() {
		return errClosed
	}
	w := c.brain.world
	request := proto.Clone(args.(proto.Message))
	if renewal, ok := request.(*fanoutv1.RenewLeaseRequest); ok {
		w.judge.leaves(renewal)
		w.tell(renewal)
	}
	results := make(chan result, 1)
	w.spawn(func() { c.carry(request, results) })
	select {
	case r := <-results:
		if c.isDown() {
			return errClosed
		}
		if r.err != nil {
			return r.err
		}
		proto.Reset(reply.(proto.Message))
		proto.Merge(reply.(proto.Message), r.message)
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	case <-c.closed:
		return errClosed
	case <-c.brain.killed:
		return errClosed
	}
}

// carry carries a call to the worker and back, if nothing happens to it. It goes on when the caller is dead: what is on its way
// arrives.
func (c *conn) carry(request proto.Message, results chan<- result) {
	w, n := c.brain.world, c.node
	m := w.manners()
	if _, asks := request.(*fanoutv1.GetWorkerRequest); asks {
		m.lose, m.delay = m.lose/20, m.delay/5 // there are ten such messages for each worker, and a run that misses one does not start
	}
	if !w.pause(n.dice.span(0, m.delay), nil) || n.dice.chance(m.lose) {
		return
	}
	if cut, _ := n.link.look(); cut && (n.dice.chance(0.5) || !n.link.await(w.life.Done())) {
		return
	}
	p := n.current()
	if p == nil {
		results <- result{nil, errRefused}
		return
	}
	message, err := p.call(request, false)
	if _, ok := request.(*fanoutv1.RenewLeaseRequest); ok && n.dice.chance(m.repeat) {
		w.spawn(func() { n.repeat(p, request) })
	}
	if !w.pause(n.dice.span(0, m.delay), nil) || n.dice.chance(m.lose) {
		return
	}
	if cut, _ := n.link.look(); cut || w.ledger.isDead(p) {
		return
	}
	results <- result{message, err}
}

// repeat delivers a call again, once or more, soon or much later.
func (n *node) repeat(to *process, request proto.Message) {
	for n.dice.chance(0.7) {
		wait := n.dice.wait(2 * time.Second)
		if n.dice.chance(0.2) {
			wait = n.dice.span(0, 40*time.Second)
		}
		if !n.world.pause(wait, nil) || !n.link.await(n.world.life.Done()) {
			return
		}
		if p := n.current(); p != nil {
			_, _ = p.call(proto.Clone(request), p == to) // the answer goes nowhere
		}
	}
}

// NewStream implements grpc.ClientConnInterface.
func (c *conn) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	if c.isDown() {
		return nil, errClosed
	}
	s := &stream{
		conn: c, ctx: ctx, messages: make(chan message, window), broken: make(chan struct{}), over: make(chan struct{}),
	}
	s.serving, s.hangUp = context.WithCancel(c.brain.world.life)
	return s, nil
}
