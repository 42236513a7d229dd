package http1

import (
	"bytes"
	"sync/atomic"
	"time"
)

// lastHead is a plain head that a request has got in answer, and what it says. As long as their Date stands still most answers
// to a request begin alike: those are compared and not parsed, which takes a twentieth of the time. It is safe for concurrent use.
type lastHead struct{ seen atomic.Pointer[seenHead] }

// seenHead is never written to.
type seenHead struct {
	bytes []byte
	head  head
	at    time.Duration // when it was noted, on the run's clock
}

const (
	// noteInterval is the least time between two heads that are noted: heads that all differ must not cost an allocation each.
	noteInterval = 10 * time.Millisecond
	// maxNoted is the longest head that is noted, in bytes: a plan has 10,000 requests, each of which notes one.
	maxNoted = 2 << 10
)

// recall reports whether b begins with the head that was noted; then h is what parseHead would make of it.
func (l *lastHead) recall(b []byte, h *head) bool {
	seen := l.seen.Load()
	if seen == nil || !bytes.HasPrefix(b, seen.bytes) {
		return false
	}
	*h = seen.head
	return true
}

// note keeps a copy of what parseHead made h of, unless it is long, or the last one was noted just now.
func (l *lastHead) note(b []byte, h *head, now time.Duration) {
	if len(b) > maxNoted {
		return
	}
	if seen := l.seen.Load(); seen == nil || now-seen.at >= noteInterval {
		l.seen.Store(&seenHead{bytes: bytes.Clone(b), head: *h, at: now})
	}
}
