package httpstd

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	c := newClient(t, startOracle(t).URL()+"/ok")
	senders := make([]*Sender, maxIdle+5)
	for i := range senders {
		senders[i] = c.Sender()
		got := outcome.Outcome{Slot: int64(i), Due: time.Since(c.config.Start)}
		if senders[i].Send(t.Context(), &got); got.Error != outcome.NoError {
			t.Fatalf("slot %d = %v (%s), want a response", i, got.Error, got.Message)
		}
	}
	for _, s := range senders {
		s.Close()
	}
	if c.idle.count != maxIdle {
		t.Errorf("%d connections are kept, want %d", c.idle.count, maxIdle)
	}
}

// greeter is a server that speaks first, as those of mail and shells do.
func greeter(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

// A greeting that is there before the request is begun ends the connection for net/http as an idle one. It is none of HTTP all
// the same.
func TestServersThatSpokeBeforeTheRequest(t *testing.T) {
	t.Parallel()
	client := newClient(t, "http://"+greeter(t)+"/")
	h := client.hops[0]
	got := outcome.Outcome{}
	a := &attempt{client: client, outcome: &got, sent: time.Now()}
	c, err := client.open(t.Context(), h.Origin(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for begin := time.Now(); c.wire.received.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("no greeting came in 5s")
		}
	}
	if _, _, err = a.exchange(t.Context(), c, h); err == nil {
		t.Fatalf("exchange = %+v, want an error", got)
	}
	if a.fail(t.Context(), err); got.Error != outcome.ProtoMalformed {
		t.Errorf("class = %v (%s), want PROTO_MALFORMED", got.Error, got.Message)
	}
}
