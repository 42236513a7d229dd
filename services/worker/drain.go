package worker

import (
	"context"
	"time"
)

// cutBefore is how long before a drain's end what shards still have in flight is cut: time for the accounts to be fetched.
const cutBefore = time.Second

// Drain takes no new calls and no more grants, lets direct calls finish what is in flight and shards run out what they have, and
// returns when the last one has ended and its account was fetched, or with ctx. An account that nobody fetches is waited for as long as
// the lease would have lasted: a coordinator that is started again fetches it by then. What no sender of a direct call had claimed is
// not sent.
func (w *Worker) Drain(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	for _, call := range w.calls {
		call.Drain()
	}
	var shards []*execution
	for _, e := range w.leases {
		e.lease.Drain()
		shards = append(shards, e)
	}
	wake := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idle.Broadcast()
	}
	defer context.AfterFunc(ctx, wake)()
	if deadline, ok := ctx.Deadline(); ok {
		defer time.AfterFunc(time.Until(deadline)-cutBefore, func() {
			for _, e := range shards {
				e.cut()
			}
		}).Stop()
	}
	for ctx.Err() == nil {
		wait := w.wantedLocked(shards)
		if wait <= 0 && len(w.calls) == 0 {
			return
		}
		if wait <= 0 { // for a call, whose end wakes
			w.idle.Wait()
			continue
		}
		timer := time.AfterFunc(wait, wake)
		w.idle.Wait()
		timer.Stop()
	}
}

// wantedLocked is how long one of the shards goes on, or has an account that somebody may come for, at least; 0: none.
func (w *Worker) wantedLocked(shards []*execution) time.Duration {
	var wait time.Duration
	for _, e := range shards {
		switch {
		case w.leases[e.lease.ID] != e:
		case !e.isOver():
			wait = max(wait, e.term) // its end wakes who waits
		default:
			wait = max(wait, e.term-time.Since(e.finished))
		}
	}
	return wait
}

// Close ends everything at once, and returns when it has ended.
func (w *Worker) Close() {
	w.mu.Lock()
	w.draining = true
	for _, e := range w.leases {
		e.lease.Stop()
	}
	w.mu.Unlock()
	w.end()
	w.going.Wait()
	w.pool.Close()
}
