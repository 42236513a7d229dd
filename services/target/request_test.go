package target_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/target"
)

func TestOracleSeesTheWholeRequest(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := dialPeer(t, o)
	p.get(t, "/ok")
	p.response(t)
	body := strings.Repeat("0123456789", 10_000)
	_, _ = fmt.Fprintf(p, "POST /status/201?a=b HTTP/1.1\r\nhost: elsewhere:80\r\nx-fanout-run: r1\r\nX-FANOUT-SLOT: 42\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(body), body)
	if response, _ := p.response(t); response.StatusCode != 201 {
		t.Errorf("status = %d, want 201", response.StatusCode)
	}
	want := target.Seen{
		Conn: 1, Request: 2, Run: "r1", Slot: "42", Method: "POST", Path: "/status/201?a=b", Host: "elsewhere:80",
		Header:    http.Header{"X-Fanout-Run": {"r1"}, "X-Fanout-Slot": {"42"}, "Content-Length": {"100000"}},
		Body:      []byte(body)[:64<<10],
		BodyBytes: 100_000,
	}
	if diff := cmp.Diff(want, o.Ledger().Last()); diff != "" {
		t.Errorf("Last (-want +got):\n%s", diff)
	}
}

func TestOracleReadsBodies(t *testing.T) {
	t.Parallel()
	const post = "POST /echo HTTP/1.1\r\nHost: h\r\n"
	tests := []struct {
		name, request, body string
	}{
		{"in chunks", post + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: r\r\n\r\n", "hello world"},
		{"after an invitation", post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		{"of no bytes", post + "Content-Length: 0\r\n\r\n", ""},
		{"that are missing", post + "\r\n", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			_, _ = io.WriteString(p, test.request)
			response, _ := p.response(t)
			if response.StatusCode == http.StatusContinue {
				response, _ = p.response(t)
			} else if strings.Contains(test.request, "Expect") {
				t.Errorf("status = %d, want 100 before", response.StatusCode)
			}
			got := o.Ledger().Last()
			if response.StatusCode != 200 || string(got.Body) != test.body || got.BodyBytes != int64(len(test.body)) {
				t.Errorf("status %d, body %q, %d bytes; want 200 and %q", response.StatusCode, got.Body, got.BodyBytes, test.body)
			}
		})
	}
}

func TestOracleRecordsOnlyWholeRequests(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request string
		want          string
	}{
		{"half a head", "GET /ok HTTP/1.1\r\nHost: h", ""},
		{"half a body", "POST /ok HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello", ""},
		{"not HTTP", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"a bad chunk", "POST /ok HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 Bad Request\r\n"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			_, _ = io.WriteString(p, test.request)
			_ = p.CloseWrite()
			if got, end := p.rest(t); !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") || end != "FIN" {
				t.Errorf("got %q and %s, want %q and FIN", got, end, test.want)
			}
			if o.Ledger().Total() != 0 {
				t.Errorf("Total() = %d, want 0", o.Ledger().Total())
			}
		})
	}
}

func TestOracleKeepsTheConnectionAsAsked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, request, says string
		ends                bool
	}{
		{"1.1", "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
		{"1.1 that closes", "GET /ok HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "close", true},
		{"1.0", "GET /ok HTTP/1.0\r\n\r\n", "close", true},
		{"1.0 that stays", "GET /ok HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", false},
		{"the absolute form", "GET http://h/ok HTTP/1.1\r\nHost: h\r\n\r\n", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			for i := range 2 {
				if test.ends && i > 0 {
					break
				}
				_, _ = io.WriteString(p, test.request)
				response, body := p.response(t)
				if body != "ok\n" || (response.Header.Get("Connection") != test.says && !response.Close) {
					t.Errorf("answer %d: %q, Connection %q, want %q", i, body, response.Header.Get("Connection"), test.says)
				}
			}
			if test.ends {
				if more, end := p.rest(t); more != "" || end != "FIN" {
					t.Errorf("then %q and %s, want FIN", more, end)
				}
			}
			if last := o.Ledger().Last(); last.Path != "/ok" {
				t.Errorf("Path = %q, want /ok", last.Path)
			}
		})
	}
}
