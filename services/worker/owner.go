package worker

import (
	"context"
	"errors"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/worker/internal/admission"
)

// take takes room for a job, out of its subject's share too.
func (w *Worker) take(j *job) error {
	if err := w.shares.Take(j.key.subject); err != nil {
		return full(err)
	}
	if err := w.room.Take(j.need); err != nil {
		w.shares.Leave(j.key.subject)
		return full(err)
	}
	return nil
}

// giveBack gives back what take took.
func (w *Worker) giveBack(key callKey, need admission.Need) {
	w.room.Leave(need)
	w.shares.Leave(key.subject)
}

// full is the error of a caller for whom there is no room.
func full(err error) error {
	var share *admission.ShareFull
	if errors.As(err, &share) {
		return rpcerr.Full(share.Subject, share.Error())
	}
	return rpcerr.Full("worker", err.Error())
}

// mine says whether the caller may attach to, renew or end what the subject has opened.
func mine(ctx context.Context, what, name, subject string) error {
	if caller := access.CallerOf(ctx); !caller.MayEnd(subject) {
		return rpcerr.NotOwner("%s %q was opened by %s, and you are %s; ask %[3]s, or an admin", what, name, subject, caller.Subject)
	}
	return nil
}

// meantLocked is the call or the leased shard that a name means: the caller's own, else that of another.
func (w *Worker) meantLocked(own callKey) (meant callKey, ok bool) {
	if w.calls[own] != nil || w.runsLeasedLocked(own) {
		return own, true
	}
	for key := range w.calls {
		if key.run == own.run && key.shard == own.shard {
			return key, true
		}
	}
	for _, e := range w.leases {
		if key := e.key; key.run == own.run && key.shard == own.shard {
			return key, true
		}
	}
	return own, false
}

// StopAll ends every call and every leased shard.
func (w *Worker) StopAll(ctx context.Context, _ *fanoutv1.WorkerServiceStopAllRequest) (*fanoutv1.WorkerServiceStopAllResponse, error) {
	w.mu.Lock()
	n := int64(len(w.calls))
	for _, call := range w.calls {
		call.Stop()
	}
	var shards []*execution
	for _, e := range w.leases {
		if !e.isOver() {
			shards = append(shards, e)
		}
	}
	w.mu.Unlock()
	for _, e := range shards {
		e.lease.Stop()
	}
	n += int64(len(shards))
	w.config.Log.Warn("audit: all calls stopped", "subject", access.CallerOf(ctx).Subject, "stopped", n)
	return &fanoutv1.WorkerServiceStopAllResponse{StoppedCount: n}, nil
}
