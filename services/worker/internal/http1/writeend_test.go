package http1

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// A target that says it will send no more, while it does not read either, has closed the connection: that our own writing had
// to be broken off then is not what happened.
func TestTargetsThatCloseWhileTheyAreWrittenTo(t *testing.T) {
	t.Parallel()
	const size = 6_000_000
	for _, reused := range []bool{false, true} {
		done := make(chan struct{})
		o := newTarget(t, func(p *peer) {
			p.small()
			if reused {
				p.post(size)
				p.send(okay)
			}
			_, _ = p.head(size)
			_ = p.Conn.(*net.TCPConn).CloseWrite()
			<-done
		})
		s := newSender(t, mustNew(posting(o.url(), size), nil))
		want := outcome.ConnEOF
		if reused {
			want = outcome.ConnClosedIdle
			send(t, s, 0)
			narrow(t, s)
		}
		if got := send(t, s, 1); got.Error != want {
			t.Errorf("reused %v: outcome = %+v, want %v", reused, got, want)
		}
		close(done)
	}
}

// The timeout of the first byte begins when the request is written, and is over when a byte has come: also when that was
// first.
func TestFirstByteBeforeTheRequestIsWritten(t *testing.T) {
	t.Parallel()
	const size, limit = 5_000_000, time.Second
	o := newTarget(t, func(p *peer) {
		p.small()
		left, _ := p.head(size)
		p.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\no")
		_, _ = io.CopyN(io.Discard, p, int64(left)) // only now the request is written
		time.Sleep(2 * limit)
		p.send("k\n")
		_, _ = p.Read(p.in)
	})
	p := posting(o.url(), size)
	p.HTTP.FirstByteTimeout = limit
	if got := send(t, newSender(t, mustNew(p, nil)), 0); got.Error != outcome.NoError || got.ReceivedBytes != 3 {
		t.Errorf("outcome = %+v, want a response", got)
	}
}

// It does not begin before.
func TestFirstByteTimeoutOfLongRequests(t *testing.T) {
	t.Parallel()
	const size, limit = 5_000_000, time.Second
	for _, answer := range []bool{true, false} {
		t.Run(strconv.FormatBool(answer), func(t *testing.T) {
			t.Parallel()
			o := newTarget(t, func(p *peer) {
				p.small()
				left, _ := p.head(size)
				time.Sleep(2 * limit)
				_, _ = io.CopyN(io.Discard, p, int64(left))
				if answer {
					p.send(okay)
				}
				_, _ = p.Read(p.in)
			})
			p := posting(o.url(), size)
			p.HTTP.FirstByteTimeout = limit
			want := outcome.NoError
			if !answer {
				want = outcome.TimeoutFirstByte
			}
			if got := send(t, newSender(t, mustNew(p, nil)), 0); got.Error != want || got.Service < 2*limit || !answer && got.Service < 3*limit {
				t.Errorf("outcome = %+v, want %v", got, want)
			}
		})
	}
}
