package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// group gathers what concurrent callers want to write while a transaction runs, so that one more transaction, and one more
// wait for the disk, does for all of them.
type group struct {
	write func(batch []*job) // answers every job
	wake  chan struct{}      // capacity 1: there is something to look at
	ended chan struct{}      // closed when the goroutine has ended

	mu      sync.Mutex
	waiting []*job
	closed  bool
}

// job is what one caller wants to write.
type job struct {
	apply     func(*transaction) error // may be called again, after the transaction before was undone
	result    chan error               // capacity 1, so that nobody waits for a caller that has gone
	abandoned atomic.Bool              // its caller has gone
}

// newGroup starts the goroutine that calls write; close ends it.
func newGroup(write func([]*job)) *group {
	g := &group{write: write, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go g.run()
	return g
}

// do has apply called in a transaction and waits until that is stored. When ctx ends it returns its error at once; what it
// has asked for is then made or not. It fails with ErrClosed after close. It is safe for concurrent use.
func (g *group) do(ctx context.Context, apply func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{apply: apply, result: make(chan error, 1)}
	if !g.add(j) {
		return ErrClosed
	}
	select {
	case err := <-j.result:
		return err
	case <-ctx.Done():
		j.abandoned.Store(true)
	}
	select {
	case err := <-j.result:
		return err
	default:
		return ctx.Err()
	}
}

// add is false if the group is closed.
func (g *group) add(j *job) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.waiting = append(g.waiting, j)
	g.signal()
	return true
}

// signal wakes the goroutine; the caller holds mu.
func (g *group) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *group) run() {
	defer close(g.ended)
	for range g.wake {
		batch, closed := g.take()
		if len(batch) > 0 {
			g.write(batch)
		}
		if closed {
			return
		}
	}
}

// take is all jobs that wait and whose callers do, and whether they are the last ones.
func (g *group) take() (batch []*job, closed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, j := range g.waiting {
		if !j.abandoned.Load() {
			batch = append(batch, j)
		}
	}
	g.waiting = nil
	return batch, g.closed
}

// close takes no more, and waits until all that was taken is answered.
func (g *group) close() {
	g.mu.Lock()
	g.closed = true
	g.signal()
	g.mu.Unlock()
	<-g.ended
}
