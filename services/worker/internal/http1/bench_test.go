package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
)

// nginxHead is what nginx says before its welcome page.
const nginxHead = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Wed, 25 Nov 2026 23:00:00 GMT\r\nContent-Type: text/html\r\n" +
	"Content-Length: 615\r\nLast-Modified: Wed, 25 Nov 2026 22:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6565f1a0-267\"\r\n" +
	"Accept-Ranges: bytes\r\n\r\n"

// oddHead is the same with a fold.
var oddHead = strings.Replace(nginxHead, "Server: ", "Server:\r\n ", 1)

func BenchmarkParseHead(b *testing.B) {
	in := []byte(nginxHead)
	var h head
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if parseHead(in, false, &h) != complete {
			b.Fatal("it is odd")
		}
	}
}

// BenchmarkLastHead is the same head, once it is known.
func BenchmarkLastHead(b *testing.B) {
	in := []byte(nginxHead)
	var (
		known lastHead
		h     head
	)
	if parseHead(in, false, &h) != complete {
		b.Fatal("it is odd")
	}
	known.note(in, &h, 0)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if !known.recall(in, &h) {
			b.Fatal("it is not known")
		}
	}
}

// BenchmarkOdd is a head that goes through net/http's reader.
func BenchmarkOdd(b *testing.B) {
	in := []byte(oddHead)
	var h head
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if parseHead(in, false, &h) != odd || parseOdd(in, false, &h) != nil {
			b.Fatal("it is plain, or refused")
		}
	}
}

// BenchmarkReadResponse is what net/http takes for the plain head, with its reader used again.
func BenchmarkReadResponse(b *testing.B) {
	in := bytes.NewReader([]byte(nginxHead))
	r := bufio.NewReader(in)
	b.ReportAllocs()
	b.SetBytes(int64(len(nginxHead)))
	for b.Loop() {
		in.Reset([]byte(nginxHead))
		r.Reset(in)
		if _, err := http.ReadResponse(r, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// again is a connection that says the same in answer to everything.
type again struct {
	scriptedConn
	response []byte
	at       int
}

func (c *again) Read(p []byte) (int, error) {
	n := copy(p, c.response[c.at:])
	if c.at += n; c.at == len(c.response) {
		c.at = 0
	}
	return n, nil
}

// BenchmarkResponse is all that a sender does for a request but the system calls.
func BenchmarkResponse(b *testing.B) {
	chunks := strings.Repeat("400\r\n"+strings.Repeat("x", 1024)+"\r\n", 16) + "0\r\n\r\n"
	for _, bench := range []struct{ name, response string }{
		{"plain", nginxHead + strings.Repeat("x", 615)},
		{"odd", oddHead + strings.Repeat("x", 615)},
		{"chunked", ok11 + te + crlf + chunks},
		{"long", ok11 + "Content-Length: 1000000" + crlf + crlf + strings.Repeat("x", 1_000_000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			client := mustNew(readingPlan(), nil)
			client.plan.Outcomes.BodyBytes, client.plan.Outcomes.Headers = 0, nil
			s := &Sender{client: client, held: heldConn(&again{response: []byte(bench.response)})}
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.response)))
			var o outcome.Outcome
			for b.Loop() {
				s.held.rested = 1 << 62
				o = outcome.Outcome{Due: client.now()}
				if s.Send(b.Context(), &o); o.Error != outcome.NoError || s.held == nil {
					b.Fatalf("%+v", o)
				}
			}
		})
	}
}

// BenchmarkExchange is requests on one connection over the loopback, the target's work included.
func BenchmarkExchange(b *testing.B) {
	for _, scheme := range []string{"http", "https"} {
		b.Run(scheme, func(b *testing.B) {
			response := nginxHead + strings.Repeat("x", 615)
			o, caPEM := (*rawTarget)(nil), ""
			if scheme == "http" {
				o = newTarget(b, answers(response))
			} else {
				o, caPEM = secureTarget(b, nil, answers(response))
			}
			p := planFor(scheme + "://" + o.Addr().String() + "/")
			p.HTTP.TLS.CAPEM = caPEM
			s := newSender(b, mustNew(p, nil))
			send(b, s, 0)
			b.ReportAllocs()
			var got outcome.Outcome
			for b.Loop() {
				got = outcome.Outcome{Due: s.client.now()}
				if s.Send(b.Context(), &got); got.Error != outcome.NoError {
					b.Fatalf("%+v", got)
				}
			}
		})
	}
}

// BenchmarkExchangeNetHTTP is the same with an http.Client, to compare.
func BenchmarkExchangeNetHTTP(b *testing.B) {
	o := newTarget(b, answers(nginxHead+strings.Repeat("x", 615)))
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	b.ReportAllocs()
	for b.Loop() {
		response, err := client.Get(o.url())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
