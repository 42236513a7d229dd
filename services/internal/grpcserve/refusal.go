package grpcserve

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// refusalsPerSecond is how many refusals are logged in a second: enough to see who tries what, too few to fill a disk.
const refusalsPerSecond = 10

// refusalLog logs the calls that were refused, some of them if they are many. It is safe for concurrent use.
type refusalLog struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	since   time.Time // when the second began; guarded by mu, like what follows
	logged  int       // in it
	leftOut int64     // since a line told the number
}

// maxLogged is how much of a method's name is logged, in bytes: ours have less, and a caller may write 64 KiB there.
const maxLogged = 128

// refused logs that a call was refused. The first line that follows lines that were left out tells how many those were.
func (l *refusalLog) refused(ctx context.Context, subject, method, why string) {
	leftOut, ok := l.take()
	if !ok {
		return
	}
	method = method[:min(len(method), maxLogged)]
	fields := []any{"subject", subject, "peer", Peer(ctx), "method", method, "why", why}
	if leftOut > 0 {
		fields = append(fields, "left_out", leftOut)
	}
	l.log.WarnContext(ctx, "audit: call refused", fields...)
}

// take reports whether there is room for a line, and how many were left out before it.
func (l *refusalLog) take() (leftOut int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= time.Second {
		l.since, l.logged = now, 0
	}
	if l.logged >= refusalsPerSecond {
		l.leftOut++
		return 0, false
	}
	l.logged++
	leftOut, l.leftOut = l.leftOut, 0
	return leftOut, true
}
