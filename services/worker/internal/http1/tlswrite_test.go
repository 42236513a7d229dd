package http1

import (
	"context"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// A target that stops reading cannot hold a sender with TLS either: the farewell that package tls wants to write, and would
// write for five seconds, has no room.
func TestClosingTLSDoesNotWait(t *testing.T) {
	t.Parallel()
	const size, timeout = 8_000_000, time.Second
	done := make(chan struct{})
	o, caPEM := secureTarget(t, nil, func(p *peer) {
		p.head(size)
		<-done
	})
	defer close(done)
	for _, cut := range []bool{false, true} {
		p := posting("https://"+o.Addr().String()+"/", size)
		p.HTTP.TLS.CAPEM = caPEM
		want := outcome.Cancelled
		if !cut {
			want, p.Requests[0].Timeout = outcome.TimeoutWrite, timeout
		}
		s := newSender(t, mustNew(p, nil))
		ctx, cancel := context.WithCancelCause(t.Context())
		begin, got := time.Now(), outcome.Outcome{Due: s.client.now()}
		if cut { // after begin, from which the time is taken
			time.AfterFunc(timeout, func() { cancel(errclass.ErrCancelled) })
		}
		s.Send(ctx, &got)
		if took := time.Since(begin); got.Error != want || took < timeout || took > timeout+4*time.Second {
			t.Errorf("cut %v: %v (%s) after %v, want %v after %v", cut, got.Error, got.Message, took, want, timeout)
		}
		cancel(nil)
	}
}
