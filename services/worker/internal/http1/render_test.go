package http1

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// sentByNetHTTP is the bytes that net/http's transport writes for a hop.
func sentByNetHTTP(t *testing.T, h *request.Hop, last bool) string {
	t.Helper()
	ours, theirs := net.Pipe()
	sent := make(chan string, 1)
	go func() {
		var all bytes.Buffer
		read, err := http.ReadRequest(bufio.NewReader(io.TeeReader(theirs, &all)))
		if err == nil {
			_, _ = io.Copy(io.Discard, read.Body)
			_, _ = io.WriteString(theirs, okay)
		}
		_ = theirs.Close()
		sent <- all.String()
	}()
	transport := &http.Transport{
		DisableCompression: true,
		DialContext:        func(context.Context, string, string) (net.Conn, error) { return ours, nil },
	}
	defer transport.CloseIdleConnections()
	u := *h.URL
	u.Scheme = "http" // TLS is not the point here
	out := &http.Request{
		Method: h.Method, URL: &u, Host: h.Host, Header: h.Header, Close: last, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if len(h.Body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(h.Body)), int64(len(h.Body))
	}
	response, err := transport.RoundTrip(out)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return <-sent
}

// What goes on the wire is, byte for byte, what net/http sends.
func TestRenderedBytesAreNetHTTPs(t *testing.T) {
	t.Parallel()
	headers := func(lines ...string) (all []plan.Header) {
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			all = append(all, plan.Header{Name: name, Value: plan.Secret(value)})
		}
		return all
	}
	for i, r := range []plan.Request{
		{URL: "http://a.example", Method: "GET"},
		{URL: "http://a.example:80/b%20c/%2F/d?e=f&g=%20#h", Method: "GET"},
		{URL: "https://a.example:443/", Method: "HEAD"},
		{URL: "http://[::1]:8080/a", Method: "DELETE"},
		{URL: "http://b\u00fccher.example/", Method: "GET"},
		{URL: "http://user:pass%3Aword@a.example/", Method: "OPTIONS"},
		{URL: "http://a.example/?", Method: "PURGE"},
		{URL: "http://a.example/\u00fc?\u00fc", Method: "GET"},
		{URL: "http://a.example/", Method: "POST"},
		{URL: "http://a.example/", Method: "PUT", Body: []byte("hello")},
		{URL: "http://a.example/", Method: "GET", Body: []byte("hello")},
		{URL: "http://a.example/", Method: "POST", Body: bytes.Repeat([]byte("b"), 100_000)},
		{URL: "http://a.example/", Method: "GET", Headers: headers("Host: b.example", "x-b: 1", "X-A: 2", "X-B: 3", "User-Agent: mine", "Accept-Encoding: gzip")},
		{URL: "http://a.example/", Method: "GET", Headers: headers("X-Fanout-Run: mine", "Cookie: a=b", "Cookie: c=d", "X-Empty: ", "X-Spaces:  a ")},
		{URL: "http://a.example/", Method: "POST", Headers: headers("Content-Length: 7", "Transfer-Encoding: chunked", "Connection: close", "Trailer: x"), Body: []byte("hello")},
		{URL: "http://a.example/", Method: "POST", Headers: headers("Expect: 100-continue", "Content-Type: text/plain"), Body: []byte("hello")},
		{URL: "http://a.example/", Method: "GET", Headers: headers("User-Agent: ", "Connection: keep-alive", "Upgrade: h2c")},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			h, err := request.First(&r, "run", "fanout/test")
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := render(h, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, tt := range []struct {
				last bool
				out  []byte
				head int
			}{{false, rendered.bytes, rendered.head}, {true, rendered.last, rendered.lastSize}} {
				if want := sentByNetHTTP(t, h, tt.last); string(tt.out) != want {
					t.Errorf("last %v: rendered\n%q\nwant\n%q", tt.last, tt.out, want)
				}
				if head, body := tt.out[:tt.head], tt.out[tt.head:]; !bytes.HasSuffix(head, []byte("\r\n\r\n")) || !bytes.Equal(body, r.Body) {
					t.Errorf("last %v: the head ends in %q, and %d bytes follow", tt.last, head[len(head)-4:], len(body))
				}
			}
		})
	}
}

// The slot's number is the head's last line; without it nothing is copied.
func TestSlotHeader(t *testing.T) {
	t.Parallel()
	p := planFor("http://a.example/b")
	p.Requests[0].Method, p.Requests[0].Body = "POST", []byte("hello\r\n\r\n")
	for _, asked := range []bool{true, false} {
		p.HTTP.SlotHeader = asked
		s := newSender(t, mustNew(p, nil))
		s.held = heldConn(&scriptedConn{})
		r := s.client.requests[0]
		for _, slot := range []int64{0, 7, 1<<63 - 1} {
			s.x.outcome = &outcome.Outcome{Slot: slot}
			out, head := s.encode(r)
			line := ""
			if asked {
				line = fmt.Sprintf("X-Fanout-Slot: %d\r\n", slot)
			}
			want := string(r.bytes[:r.head-2]) + line + "\r\n" + "hello\r\n\r\n"
			if string(out) != want || head != r.head+len(line) {
				t.Errorf("encode() = %q, %d, want %q, %d", out, head, want, r.head+len(line))
			}
		}
	}
}
