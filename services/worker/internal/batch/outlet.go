package batch

import (
	"context"
	"errors"
	"sync"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

var (
	// ErrReplaced says that another caller has taken the shard: it has attached, or renewed the lease with a higher epoch.
	ErrReplaced = errors.New("another caller has taken the shard")
	// errUnheard says that the stream of a message is gone.
	errUnheard = errors.New("nobody listens")
)

// Outlet is where the messages of a shard go that outlives its streams: to the one that is attached, if any. The batcher hands each
// message to the goroutine of the stream's handler, which alone may send on it. It is safe for concurrent use.
type Outlet struct {
	attach chan *Listener // to the batcher
	closed chan struct{}  // closed when no more is attached

	mu      sync.Mutex
	current *Listener // guarded by mu; nil: none
	epoch   int64     // the highest that was here; guarded by mu
}

// Listener is one attached stream.
type Listener struct {
	messages chan *fanoutv1.FanOutResponse
	sent     chan error // capacity 1
	gone     chan struct{}
	leave    sync.Once
}

// NewOutlet makes an outlet to which nobody is attached.
func NewOutlet() *Outlet {
	return &Outlet{attach: make(chan *Listener), closed: make(chan struct{})}
}

// Serve attaches the stream of a caller with an epoch and sends what comes until the final message went out, the stream or ctx ends,
// or one of the same or a higher epoch is attached, which is ErrReplaced; so is a higher one that is there already, or that Fence names.
// It returns false if the outlet is closed: then the final message is known.
func (o *Outlet) Serve(ctx context.Context, epoch int64, send func(*fanoutv1.FanOutResponse) error) (bool, error) {
	l := &Listener{
		messages: make(chan *fanoutv1.FanOutResponse),
		sent:     make(chan error, 1),
		gone:     make(chan struct{}),
	}
	defer l.end()
	if !o.replace(l, epoch) {
		return true, ErrReplaced
	}
	select {
	case o.attach <- l:
	case <-o.closed:
		return false, nil
	case <-l.gone:
		return true, ErrReplaced
	case <-ctx.Done():
		return true, ctx.Err()
	}
	for {
		select {
		case m := <-l.messages:
			final := m.GetFinished() != nil
			err := send(m)
			l.sent <- err
			if err != nil || final {
				return true, err
			}
		case <-l.gone:
			return true, ErrReplaced
		case <-ctx.Done():
			return true, ctx.Err()
		}
	}
}

// Fence ends the stream of an epoch that is lower than this one. Its caller does not know what the higher epoch grants, and would take
// its own account for wrong: no message goes out on it that is made after the call. (One is handed over only if either side waits for
// the other, and neither does once gone is closed.)
func (o *Outlet) Fence(epoch int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch <= o.epoch {
		return
	}
	o.epoch = epoch
	if o.current != nil {
		o.current.end()
	}
}

// replace makes l the one that is attached, unless a higher epoch was here.
func (o *Outlet) replace(l *Listener, epoch int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if epoch < o.epoch {
		return false
	}
	if o.current != nil {
		o.current.end()
	}
	o.current, o.epoch = l, epoch
	return true
}

// close attaches nobody any more.
func (o *Outlet) close() { close(o.closed) }

func (l *Listener) end() { l.leave.Do(func() { close(l.gone) }) }

// send hands a message to the stream's handler and waits until it is sent. After an error the handler may still have it.
func (l *Listener) send(m *fanoutv1.FanOutResponse) error {
	select {
	case l.messages <- m:
	case <-l.gone:
		return errUnheard
	}
	select {
	case err := <-l.sent:
		return err
	case <-l.gone:
		return errUnheard
	}
}
