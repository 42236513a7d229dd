package http1

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// The tests of this file count what the whole process does, so they run when no other does.

// A request on an open connection allocates nothing, whatever plain response it gets and also with a slot header.
func TestRequestsAllocateNothing(t *testing.T) {
	for name, response := range map[string]string{
		"short":      okay,
		"nginx":      nginxHead + strings.Repeat("x", 615),
		"no body":    "HTTP/1.1 204 No Content" + crlf + crlf,
		"chunked":    ok11 + te + crlf + "400" + crlf + strings.Repeat("x", 1024) + crlf + "3" + crlf + "abc" + crlf + "0" + crlf + crlf,
		"long":       ok11 + "Content-Length: 100000" + crlf + crlf + strings.Repeat("x", 100_000),
		"interim":    "HTTP/1.1 103 Early Hints" + crlf + "Link: </a>" + crlf + crlf + okay,
		"keep-alive": ok11 + "Connection: keep-alive" + crlf + "Content-Length: 0" + crlf + crlf,
	} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				o, caPEM := (*rawTarget)(nil), ""
				if scheme == "http" {
					o = newTarget(t, answers(response))
				} else {
					o, caPEM = secureTarget(t, nil, answers(response))
				}
				p := planFor(scheme + "://" + o.Addr().String() + "/")
				p.HTTP.SlotHeader, p.HTTP.TLS.CAPEM = true, caPEM
				s := newSender(t, mustNew(p, nil))
				var got outcome.Outcome
				allocs := testing.AllocsPerRun(200, func() {
					got = outcome.Outcome{Slot: got.Slot + 1, Due: s.client.now()}
					s.Send(t.Context(), &got)
				})
				if got.Error != outcome.NoError || got.Connection != nil {
					t.Fatalf("outcome = %+v, want a response on an open connection", got)
				}
				// Package tls makes a few for each record; a pool gives its buffers up now and then.
				if limit := map[string]float64{"http": 0, "https": 8}[scheme]; allocs > limit {
					t.Errorf("%v allocations per request, want %v at most", allocs, limit)
				}
			})
		}
	}
}

// Ours is the stacks of the goroutines that this package has started or is on, but for its tests.
func stacksOfOurs() (ours []string) {
	all := make([]byte, 16<<20)
	for _, stack := range strings.Split(string(all[:runtime.Stack(all, true)]), "\n\n") {
		for _, line := range strings.Split(stack, "\n") {
			if strings.Contains(line, "/internal/http1/") && !strings.Contains(line, "_test.go") {
				ours = append(ours, stack)
				break
			}
		}
	}
	return ours
}

// A connection that rests costs no goroutine and little memory: 10,000 of them are 150 MiB at most, goroutines of their senders
// included.
func TestConnectionsCostLittle(t *testing.T) {
	const conns = 400
	o := newTarget(t, answers(okay))
	client := mustNew(planFor(o.url()), nil)
	t.Cleanup(client.Close)
	senders := make([]*Sender, conns)
	for i := range senders {
		senders[i] = client.Sender()
	}
	goroutines, begin := runtime.NumGoroutine(), heap()
	for i, s := range senders {
		if got := send(t, s, int64(i)); got.Error != outcome.NoError || got.Connection == nil {
			t.Fatalf("slot %d = %+v, want a response on a new connection", i, got)
		}
	}
	if stacks := stacksOfOurs(); len(stacks) != 0 {
		t.Errorf("%d goroutines on %d connections that rest, want none:\n%s", len(stacks), conns, stacks[0])
	}
	if more := runtime.NumGoroutine() - goroutines; more > conns {
		t.Errorf("%d goroutines more, want at most the target's %d", more, conns)
	}
	// The target's connections are in this process too, with a buffer of 4 KiB.
	if each := (heap()-begin)/conns - 4096; each > 6<<10 {
		t.Errorf("%d bytes of heap for each connection, want 6 KiB at most", each)
	}
	for _, s := range senders {
		s.Close()
	}
}

// heap is how many bytes are in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// Nothing is left of a call that was cut in the middle.
func TestNothingIsLeftOfCalls(t *testing.T) {
	const size = 5_000_000
	done := make(chan struct{})
	o := newTarget(t, func(p *peer) {
		p.small()
		<-done
	})
	p := posting(o.url(), size)
	p.Requests[0].Timeout = 300 * time.Millisecond // the dial is in it, on a busy machine too
	for slot := range int64(5) {
		client := mustNew(p, nil)
		s := client.Sender()
		if got := send(t, s, slot); got.Error != outcome.TimeoutWrite {
			t.Errorf("slot %d = %+v, want TIMEOUT_WRITE", slot, got)
		}
		s.Close()
		client.Close()
		if stacks := stacksOfOurs(); len(stacks) != 0 {
			t.Errorf("%d goroutines are left:\n%s", len(stacks), stacks[0])
		}
	}
	close(done)
}
