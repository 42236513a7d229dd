package target_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// whole is the answer that the scripts which stop in its middle have begun, and answered /ok's.
const (
	wholeHead = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n\r\n"
	answered  = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nok\n"
	chunked   = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)

func TestFaultsThatEndTheConnection(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, data, end string }{
		{"/close", answered, "FIN"},
		{"/close-announced", strings.Replace(answered, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1), "FIN"},
		{"/http10", "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nok\n", "FIN"},
		{"/eof", "", "FIN"},
		{"/reset", "", "RST"},
		{"/reset-in-head", wholeHead[:len(wholeHead)/2], "RST"},
		{"/reset-after-head", wholeHead, "RST"},
		{"/reset-in-body", wholeHead + "0123456789", "RST"},
		{"/truncated", strings.Replace(wholeHead, "21", "1000", 1) + "xxxxxxxxxx", "FIN"},
		{"/truncated-chunk", chunked + "5\r\nhello\r\n", "FIN"},
		{"/bad-chunk", chunked + "zz\r\nhello\r\n0\r\n\r\n", "FIN"},
		{"/garbage-status", "HTTP/1.1 abc OK\r\nContent-Length: 3\r\n\r\nok\n", "FIN"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, test.path)
			if data, end := p.rest(t); data != test.data || end != test.end {
				t.Errorf("got %q and %s, want %q and %s", data, end, test.data, test.end)
			}
		})
	}
}

func TestGarbageIsNotHTTP(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	seen := map[string]bool{}
	for range 5 {
		p := dialPeer(t, o)
		p.get(t, "/garbage")
		data, end := p.rest(t)
		if strings.HasPrefix(data, "H") || !strings.HasSuffix(data, "\r\n\r\n") || end != "FIN" {
			t.Errorf("got %q and %s", data, end)
		}
		seen[data] = true
	}
	if len(seen) < 2 {
		t.Error("five times the same garbage")
	}
}

func TestOnNextReadsTheNextRequest(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, end string }{
		{"/close-on-next", "FIN"},
		{"/reset-on-next", "RST"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, test.path, "X-Fanout-Run: r", "X-Fanout-Slot: 1")
			if _, body := p.response(t); body != "ok\n" {
				t.Errorf("the first body = %q, want ok", body)
			}
			requireSilence(t, p) // the connection is open until the next request
			const second = "POST /ok HTTP/1.1\r\nHost: h\r\nX-Fanout-Slot: 2\r\nContent-Length: 10\r\n\r\n"
			_, _ = io.WriteString(p, second+"01234")
			requireSilence(t, p) // and until it has come completely
			if n := o.Ledger().Total(); n != 1 {
				t.Errorf("Total() = %d before the second request was complete, want 1", n)
			}
			_, _ = io.WriteString(p, "56789")
			if data, end := p.rest(t); data != "" || end != test.end {
				t.Errorf("the second request got %q and %s, want %s", data, end, test.end)
			}
			last := o.Ledger().Last()
			if o.Ledger().Total() != 2 || last.Request != 2 || last.Slot != "2" || string(last.Body) != "0123456789" {
				t.Errorf("the ledger has %d requests and last %+v", o.Ledger().Total(), last)
			}
		})
	}
}

func TestStalls(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, data string }{
		{"/stall", ""},
		{"/stall-in-head", wholeHead[:len(wholeHead)/2]},
		{"/stall-in-body", wholeHead + "0123456789"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, test.path)
			got := make([]byte, len(test.data))
			if _, err := io.ReadFull(p.in, got); err != nil || string(got) != test.data {
				t.Errorf("got %q, %v, want %q", got, err, test.data)
			}
			requireSilence(t, p)
			if o.Ledger().Total() != 1 {
				t.Errorf("Total() = %d, want 1", o.Ledger().Total())
			}
		})
	}
}

// TestWaitingEndsWithThePeer finds it out by the FIN that answers the peer's.
func TestWaitingEndsWithThePeer(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/stall", "/stall-in-body", "/delay/1h", "/drip?interval=1h", "/unsolicited?after=1h"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, path)
			eventually(t, "it is read", func() bool { return o.Ledger().Total() == 1 })
			_ = p.CloseWrite()
			if _, end := p.rest(t); end != "FIN" {
				t.Errorf("the peer left and saw %s, want FIN", end)
			}
		})
	}
}

func TestDrip(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := dialPeer(t, o)
	start := time.Now()
	p.get(t, "/drip?interval=10ms")
	want := strings.Replace(wholeHead, "21", "1073741824", 1) + "xxxxx"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.in, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("five bytes took %v, want at least 50ms", took)
	}
}

func TestFloodsGoOnUntilThePeerLeaves(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, beginning, again string }{
		{"/endless", chunked, "4000\r\n" + strings.Repeat("x", 0x4000) + "\r\n"},
		{"/1xx-flood", "", "HTTP/1.1 100 Continue\r\n\r\n"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, test.path)
			want := []byte(test.beginning + strings.Repeat(test.again, 4<<20/len(test.again)))
			got := make([]byte, len(want))
			if _, err := io.ReadFull(p.in, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("the first 4 MiB are not as they should be (%v): %.100q", err, got)
			}
			_ = p.Close() // the oracle's goroutine ends then; Close waits for it
		})
	}
}

func TestUnsolicited(t *testing.T) {
	t.Parallel()
	const extra = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nunsolicited\n"
	for _, path := range []string{"/unsolicited", "/unsolicited?after=0s", "/unsolicited?after=20ms"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, path)
			got := make([]byte, len(answered+extra))
			if _, err := io.ReadFull(p.in, got); err != nil || string(got) != answered+extra {
				t.Errorf("got %q, %v, want an answer and %q", got, err, extra)
			}
			p.get(t, "/ok") // the connection is still good
			if _, body := p.response(t); body != "ok\n" {
				t.Errorf("the next answer is %q, want ok", body)
			}
		})
	}
}

func TestCloseIsSeenByTheNextWrite(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := dialPeer(t, o)
	p.get(t, "/close")
	if _, body := p.response(t); body != "ok\n" {
		t.Errorf("body = %q, want ok", body)
	}
	if _, err := p.in.Peek(1); !errors.Is(err, io.EOF) {
		t.Errorf("then %v, want EOF", err)
	}
	eventually(t, "writing fails", func() bool {
		_, err := io.WriteString(p, "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n")
		return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	})
	if o.Ledger().Total() != 1 {
		t.Errorf("Total() = %d, want 1", o.Ledger().Total())
	}
}
