package worker

import (
	"context"
	"time"
)

// cutBefore is how long before a drain's end what shards still have in flight is cut: time for the accounts to be fetched.
const cutBefore = time.Second

// Drain takes no new calls and no more grants, lets direct calls finish what is in flight and shards run out what they have, and
// returns when the last one has ended and its account was fetched, or with ctx. What no sender of a direct call had claimed is not
// sent.
func (w *Worker) Drain(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	for _, call := range w.calls {
		call.Drain()
	}
	var shards []*execution
	for _, e := range w.leases {
		switch {
		case !e.isOver():
			e.lease.Drain()
			shards = append(shards, e)
		case time.Since(e.finished) < e.job.shard.Lease: // a coordinator that is started again fetches it
			shards = append(shards, e)
		}
	}
	defer context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idle.Broadcast()
	})()
	if deadline, ok := ctx.Deadline(); ok {
		defer time.AfterFunc(time.Until(deadline)-cutBefore, func() {
			for _, e := range shards {
				e.cut()
			}
		}).Stop()
	}
	for (len(w.calls) > 0 || w.holdsLocked(shards)) && ctx.Err() == nil {
		w.idle.Wait()
	}
}

// holdsLocked reports whether one of the shards goes on, or has an account that nobody has fetched.
func (w *Worker) holdsLocked(shards []*execution) bool {
	for _, e := range shards {
		if w.leases[e.lease.ID] == e {
			return true
		}
	}
	return false
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
