package http1

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// posting is a plan that posts a body of that size.
func posting(url string, size int) *plan.Plan {
	p := planFor(url)
	p.Requests[0].Method, p.Requests[0].Body = "POST", bytes.Repeat([]byte("b"), size)
	return p
}

// head reads the head of a request and says how much of its body is still to come.
func (p *peer) head(length int) (left int, ok bool) {
	for {
		if end := bytes.Index(p.in[:p.tail], []byte("\r\n\r\n")); end >= 0 {
			left = length - (p.tail - end - 4)
			p.tail = 0
			return left, true
		}
		n, err := p.Read(p.in[p.tail:])
		if p.tail += n; err != nil {
			return 0, false
		}
	}
}

// post reads a request with a body of that length.
func (p *peer) post(length int) bool {
	left, ok := p.head(length)
	if !ok {
		return false
	}
	n, _ := io.CopyN(io.Discard, p, int64(left))
	return n == int64(left)
}

// small makes the system take little of what is written.
func (p *peer) small() { _ = p.Conn.(*net.TCPConn).SetReadBuffer(128 << 10) }

// narrow makes the sender's side small too.
func narrow(t *testing.T, s *Sender) {
	t.Helper()
	if s.held == nil {
		t.Fatal("the connection is not kept")
	}
	if err := s.held.line.Conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
}

// A long request goes out whole, whatever part of it the system takes at a time, on a new connection and on a reused one.
func TestLongRequestsGoOutWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 10_000, longRequest, 100_000, 5_000_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			o := newTarget(t, func(p *peer) {
				p.small()
				for p.post(size) {
					p.send(okay)
				}
			})
			s := newSender(t, mustNew(posting(o.url(), size), nil))
			for slot := range int64(5) {
				if got := send(t, s, slot); got.Error != outcome.NoError || got.SentBytes != int64(size) || got.ReceivedBytes != 3 {
					t.Errorf("slot %d = %+v, want %d bytes sent and 3 received", slot, got, size)
				}
				narrow(t, s)
			}
			if o.accepted() != 1 {
				t.Errorf("%d connections, want 1", o.accepted())
			}
		})
	}
}

// A target may answer before it has read the request, and whether it then reads on or not the answer counts.
func TestEarlyResponses(t *testing.T) {
	t.Parallel()
	const size = 5_000_000
	for _, tt := range []struct {
		name    string
		reused  bool
		readsOn bool
	}{
		{"new, stops reading", false, false},
		{"new, reads on", false, true},
		{"reused, stops reading", true, false},
		{"reused, reads on", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			done := make(chan struct{})
			defer close(done)
			o := newTarget(t, func(p *peer) {
				p.small()
				for n := 0; ; n++ {
					if n == 0 && tt.reused {
						if !p.post(size) {
							return
						}
						p.send(okay)
						continue
					}
					left, ok := p.head(size)
					if !ok {
						return
					}
					p.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
					if !tt.readsOn {
						<-done
						return
					}
					_, _ = io.CopyN(io.Discard, p, int64(left))
				}
			})
			s := newSender(t, mustNew(posting(o.url(), size), nil))
			if tt.reused {
				if got := send(t, s, 0); got.Error != outcome.NoError || got.Status != 200 {
					t.Fatalf("the first slot = %+v", got)
				}
				narrow(t, s)
			}
			got := send(t, s, 1)
			if got.Error != outcome.NoError || got.Status != 413 || got.ReceivedBytes != 2 {
				t.Errorf("outcome = %+v, want the 413", got)
			}
			if !tt.readsOn && (s.held != nil || got.SentBytes >= size) {
				t.Errorf("the connection is kept: %v, after %d bytes of %d", s.held != nil, got.SentBytes, size)
			}
		})
	}
}

// A target that does not read gets its timeout's class by what was still to be done.
func TestTimeoutsOfLongRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		reused bool
		reads  bool
		want   outcome.Class
	}{
		{"new, does not read", false, false, outcome.TimeoutWrite},
		{"reused, does not read", true, false, outcome.TimeoutWrite},
		{"new, reads and is silent", false, true, outcome.TimeoutFirstByte},
		{"reused, reads and is silent", true, true, outcome.TimeoutFirstByte},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			size, timeout := 5_000_000, 100*time.Millisecond // more than the systems of both sides take
			if tt.reads {
				size, timeout = 300_000, 500*time.Millisecond
			}
			done := make(chan struct{})
			o := newTarget(t, func(p *peer) {
				p.small()
				if tt.reused {
					p.post(size)
					p.send(okay)
				}
				if tt.reads {
					_, _ = io.Copy(io.Discard, p)
				}
				<-done
			})
			defer close(done)
			for range 3 {
				client := mustNew(posting(o.url(), size), nil)
				s := newSender(t, client)
				if tt.reused {
					if got := send(t, s, 0); got.Error != outcome.NoError {
						t.Fatalf("the first slot = %+v", got)
					}
					narrow(t, s)
				}
				client.plan.Requests[0].Timeout = timeout
				if got := send(t, s, 1); got.Error != tt.want || got.Service < timeout || s.held != nil {
					t.Errorf("outcome = %+v, want %v after %v", got, tt.want, timeout)
				}
			}
		})
	}
}
