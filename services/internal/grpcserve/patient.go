package grpcserve

import (
	"time"

	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// UnreadBound is how long a message waits for a caller that does not read its stream. A peer that is gone is found after 15 s; what
// still answers pings and reads nothing for a minute does not want the stream, and a message is at most 1 MiB: a minute at 18 KB/s.
const UnreadBound = time.Minute

// Patient sends the messages of one stream, each for a time that is bounded. gRPC's Send waits for its reader without bound, and a
// handler that waits in it cannot give up. So a goroutine waits for it; it ends with the handler, at whose return gRPC ends its Send.
//
// One goroutine at a time uses it, which closes it.
type Patient[M any] struct {
	bound    time.Duration
	hold     func() bool
	messages chan M
	sent     chan error // capacity 1: nobody may take what comes after the bound
	timer    *time.Timer
	unread   error
}

// Patiently makes the Patient of a stream's Send. As long as hold reports true the bound does not count; nil: it always counts.
func Patiently[M any](send func(M) error, bound time.Duration, hold func() bool) *Patient[M] {
	p := &Patient[M]{bound: bound, hold: hold, messages: make(chan M), sent: make(chan error, 1), timer: time.NewTimer(bound)}
	go func() {
		for m := range p.messages {
			p.sent <- send(m)
		}
	}()
	return p
}

// Send sends a message, which the caller does not touch any more if it fails. It fails as the stream's Send does, and when a message
// was not read in time: then and from then on the error is a status.
func (p *Patient[M]) Send(m M) error {
	if p.unread != nil {
		return p.unread
	}
	p.messages <- m
	p.timer.Reset(p.bound)
	for {
		select {
		case err := <-p.sent:
			return err
		case <-p.timer.C:
		}
		if p.hold == nil || !p.hold() {
			p.unread = rpcerr.Unread(p.bound)
			return p.unread
		}
		p.timer.Reset(p.bound)
	}
}

// Close ends the goroutine, once its Send has ended.
func (p *Patient[M]) Close() {
	p.timer.Stop()
	close(p.messages)
}
