package http1

import (
	"strings"
	"testing"
	"time"
)

// What a lastHead recalls is what parseHead says, and only of what begins with the very same head.
func TestLastHead(t *testing.T) {
	t.Parallel()
	chunked := strings.Replace(nginxHead, "Content-Length: 615", "Transfer-Encoding: chunked", 1)
	long := strings.Replace(nginxHead, "nginx", strings.Repeat("x", maxNoted), 1)
	var l lastHead
	for i, step := range []struct {
		name, head string
		at         time.Duration
		recalled   bool
	}{
		{"nothing was noted", nginxHead, 0, false},
		{"the same", nginxHead, 0, true},
		{"another", chunked, noteInterval - 1, false},
		{"it was too early to note it", chunked, noteInterval, false},
		{"now it is noted", chunked, noteInterval, true},
		{"and the first one forgotten", nginxHead, noteInterval, false},
		{"of which one byte differs", strings.Replace(chunked, "keep-alive", "keep-alivE", 1), noteInterval, false},
		{"a long one", long, 3 * noteInterval, false},
		{"is not noted", long, 3 * noteInterval, false},
	} {
		var want head
		b := []byte(step.head + "and a body")
		if parseHead(b, false, &want) != complete {
			t.Fatalf("step %d: %q is odd", i, step.head)
		}
		var got head
		if recalled := l.recall(b, &got); recalled != step.recalled || recalled && got != want {
			t.Errorf("step %d, %s: recall() = %v, %+v, want %v, %+v", i, step.name, recalled, got, step.recalled, want)
		}
		if l.recall(b[:want.size-1], &got) {
			t.Errorf("step %d, %s: a head without its last byte is recalled", i, step.name)
		}
		if !step.recalled {
			l.note(b[:want.size], &want, step.at)
		}
		clear(b) // the buffer is the connection's
	}
}

// Heads that all differ cost an allocation now and then, not each.
func TestHeadsThatDiffer(t *testing.T) {
	var (
		l   lastHead
		h   head
		now time.Duration
		b   = []byte(nginxHead)
	)
	allocs := testing.AllocsPerRun(1000, func() {
		b[len("HTTP/1.1 200 OK\r\nServer: ngin")]++
		if l.recall(b, &h) {
			t.Fatal("it is recalled")
		}
		l.note(b, &h, now)
		now += noteInterval / 100
	})
	if allocs > 0 {
		t.Errorf("%v allocations per head, want one in a hundred", allocs)
	}
}
