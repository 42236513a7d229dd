package http1

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// line is a TCP connection with deadlines that cost nothing until one is reached, and that its call can interrupt.
//
// Setting a deadline takes a lock and moves a timer. But the deadlines of requests that follow one another only grow, so the
// connection keeps the one that it was given first: when that wakes a read or write before the request's own deadline, the
// connection is given the new one, and the read or write goes on. That is once in a timeout, and not once in a request.
//
// One sender uses a line. The goroutine that writes the rest of a long request, and interrupt, come from outside.
type line struct {
	net.Conn
	due   atomic.Int64 // deadline of what goes on, from epoch
	armed atomic.Int64 // deadline that the connection has, from epoch; 0: none
	cut   atomic.Bool  // the call is over
	stop  func() bool  // ends the watch over the call
	raw   raw          // to look for bytes without waiting
	look  bool         // Read does not wait; set and read by the sender alone
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// watch interrupts what goes on when the call's context ends.
func (l *line) watch(ctx context.Context) {
	l.stop = context.AfterFunc(ctx, func() {
		l.cut.Store(true)
		_ = l.Conn.SetDeadline(longAgo)
	})
}

// unwatch ends the watch. It is false when the call was over before: the connection is of no more use then.
func (l *line) unwatch() bool { return l.stop() }

// until sets the deadline of what comes next.
func (l *line) until(due time.Duration) {
	l.due.Store(int64(due))
	if armed := l.armed.Load(); armed == 0 || int64(due) < armed {
		l.arm(int64(due))
	}
}

func (l *line) arm(due int64) {
	l.armed.Store(due)
	_ = l.Conn.SetDeadline(epoch.Add(time.Duration(due)))
	if l.cut.Load() { // it may have been cut in between
		_ = l.Conn.SetDeadline(longAgo)
	}
}

// again reports whether a read or write that ended with err was only woken too early, and may go on.
func (l *line) again(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || l.cut.Load() {
		return false
	}
	due := l.due.Load()
	if time.Since(epoch) >= time.Duration(due) {
		return false
	}
	l.arm(due)
	return true
}

// Read reads, until the deadline of what goes on.
func (l *line) Read(b []byte) (int, error) {
	if l.look {
		return l.raw.tryRead(b)
	}
	for {
		n, err := l.Conn.Read(b)
		if n > 0 || err == nil || !l.again(err) {
			return n, err
		}
	}
}

// Write writes all of b, until the deadline of what goes on.
func (l *line) Write(b []byte) (int, error) {
	written := 0
	for {
		n, err := l.Conn.Write(b[written:])
		written += n
		if err == nil || !l.again(err) {
			return written, err
		}
	}
}
