package target_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// sample is an argument that each script with one accepts.
var sample = map[string]string{
	"/status/": "200", "/delay/": "1ms", "/bytes/": "10", "/chunked/": "3", "/1xx/": "2", "/redirect/": "1", "/redirect-pair/": "a",
	"/redirect-to": "?url=/ok", "/drip": "?interval=1ms",
}

// TestEveryScriptRecordsFirst performs each script once, plainly and over TLS, leaves in the middle of whatever it does,
// and requires one entry in the ledger and nothing left running.
func TestEveryScriptRecordsFirst(t *testing.T) {
	t.Parallel()
	for _, name := range target.ScriptNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := name + sample[name]
			o := startOracle(t, target.OracleConfig{})
			p := dialPeer(t, o)
			p.get(t, path, "X-Fanout-Run: r", "X-Fanout-Slot: 1")
			_ = p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = p.Read(make([]byte, 512)) // or nothing: some stall
			_ = p.Close()
			want := int64(1)
			if name == "/ledger" {
				want = 0
			} else {
				eventually(t, "it is recorded", func() bool { return o.Ledger().Total() > 0 })
			}
			if got := o.Ledger().ByPath()[path]; got != want || o.Ledger().Count("r", "1") != want {
				t.Errorf("%s was recorded %d times, want %d", path, got, want)
			}
		})
	}
}

func TestProperAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path   string
		status int
		body   string
	}{
		{"/ok", 200, "ok\n"},
		{"/echo?q=%20", 200, "GET /echo?q=%20\nAccept-Encoding: identity\nHost: HOST\nUser-Agent: Go-http-client/1.1\n\n"},
		{"/status/200", 200, "200 OK\n"},
		{"/status/204", 204, ""},
		{"/status/304", 304, ""},
		{"/status/404", 404, "404 Not Found\n"},
		{"/status/503", 503, "503 Service Unavailable\n"},
		{"/status/999", 999, "999 Nonstandard\n"},
		{"/delay/1ms", 200, "ok\n"},
		{"/bytes/0", 200, ""},
		{"/bytes/5", 200, "xxxxx"},
		{"/bytes/100000", 200, strings.Repeat("x", 100_000)},
		{"/chunked/0", 200, ""},
		{"/chunked/3", 200, "chunk 1\nchunk 2\nchunk 3\n"},
		{"/1xx/3", 200, "ok\n"},
		{"/1xx/0", 200, "ok\n"},
		{"/redirect/0", 200, "ok\n"},
		{"/hostile/body", 200, "before \xff\xfe \x80 \xc3( after\n"},
		{"/hostile/header", 200, "ok\n"},
		{"/hostile/reason", 200, "ok\n"},
		{"/hostile/latin1", 200, "caf\xe9 gr\xfc\xdfe\n"},
		{"/hostile/nul", 200, "be\x00fore\x00\x00 after\n"},
		{"/hostile/cut-rune", 200, strings.Repeat("€", 21) + "\xe2"},
		{"/hostile/cut-rune?bytes=5", 200, "€\xe2\x82"},
		{"/ledger", 200, `{"total":0,"distinct":0,"duplicates":[]}` + "\n"},
		{"/", 404, "no such script\n"},
		{"/okay", 404, "no such script\n"},
		{"/ok/", 404, "no such script\n"},
		{"/status/", 400, "/status/ wants a status from 200 to 999\n"},
		{"/status/99", 400, "/status/99 wants a status from 200 to 999\n"},
		{"/delay/long", 400, "/delay/long wants a duration, as 100ms\n"},
		{"/bytes/-1", 400, "/bytes/-1 wants a number of bytes\n"},
		{"/chunked/x", 400, "/chunked/x wants a number of chunks\n"},
		{"/1xx/10001", 400, "/1xx/10001 wants a number up to 10000\n"},
		{"/drip?interval=0s", 400, "/drip wants interval=DURATION\n"},
		{"/unsolicited?after=x", 400, "/unsolicited wants after=DURATION\n"},
		{"/huge-head?bytes=x", 400, "/huge-head wants bytes=N\n"},
		{"/hostile/cut-rune?bytes=-1", 400, "/hostile/cut-rune wants bytes=N\n"},
		{"/redirect/x", 400, "/redirect/x wants a number of hops\n"},
		{"/redirect-pair/c", 400, "/redirect-pair/c wants a or b\n"},
		{"/redirect-to?url=/ok&status=200", 400, "/redirect-to wants url=URL and a status from 300 to 399\n"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			c := client(t)
			for range 2 { // the second on the same connection
				request := slotted(t, o.URL()+test.path, "", 0)
				request.Header = http.Header{"Accept-Encoding": {"identity"}}
				response, err := c.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				want := strings.ReplaceAll(test.body, "HOST", o.Addr())
				if response.StatusCode != test.status || string(body) != want || err != nil {
					t.Errorf("%d %q %v, want %d %q", response.StatusCode, body, err, test.status, want)
				}
			}
			if o.Connections() != 1 {
				t.Errorf("Connections() = %d, want 1", o.Connections())
			}
			response, err := c.Head(o.URL() + test.path)
			if err != nil || response.StatusCode != test.status {
				t.Errorf("HEAD: %v, %v", response, err)
			}
			if o.Connections() != 1 {
				t.Errorf("Connections() = %d after HEAD, want 1", o.Connections())
			}
			fetch(t, c, o.URL()+"/ok")
			if o.Connections() != 1 {
				t.Errorf("Connections() = %d after HEAD and GET, want 1: HEAD was answered with a body", o.Connections())
			}
		})
	}
}

func TestTrailersAndHints(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	if response, _ := fetch(t, client(t), o.URL()+"/chunked/7"); response.Trailer.Get("X-Fanout-Chunks") != "7" {
		t.Errorf("/chunked/7: trailer %v, want X-Fanout-Chunks: 7", response.Trailer)
	}
	p := dialPeer(t, o)
	p.get(t, "/1xx/2")
	var codes []int
	for range 3 {
		response, _ := p.response(t)
		codes = append(codes, response.StatusCode)
	}
	if !slices.Equal(codes, []int{103, 103, 200}) {
		t.Errorf("/1xx/2 answers %v, want 103, 103, 200", codes)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	const delay = 100 * time.Millisecond
	start := time.Now()
	p := dialPeer(t, o)
	p.get(t, "/delay/100ms")
	p.get(t, "/delay/100ms?second") // pipelined, which must not shorten the first
	p.response(t)
	if took := time.Since(start); took < delay {
		t.Errorf("/delay/100ms took %v", took)
	}
	p.response(t)
	if took := time.Since(start); took < 2*delay || took > patience {
		t.Errorf("/delay/100ms twice took %v", took)
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		path     string
		status   int
		location string
	}{
		{"/redirect/2", 302, "/redirect/1"},
		{"/redirect/1", 302, "/redirect/0"},
		{"/redirect-loop", 302, "/redirect-loop"},
		{"/redirect-pair/a", 302, "/redirect-pair/b"},
		{"/redirect-pair/b", 302, "/redirect-pair/a"},
		{"/redirect-to?url=http%3A%2F%2Fexample.com%2F%3Fa%3Db", 302, "http://example.com/?a=b"},
		{"/redirect-to?url=/ok&status=308", 308, "/ok"},
		{"/redirect-metadata", 302, "http://169.254.169.254/latest/meta-data/"},
		{"/redirect-no-location", 302, ""},
	}
	o := startOracle(t, target.OracleConfig{})
	for _, test := range tests {
		p := dialPeer(t, o)
		p.get(t, test.path)
		response, _ := p.response(t)
		if got := response.Header.Get("Location"); response.StatusCode != test.status || got != test.location {
			t.Errorf("%s = %d to %q, want %d to %q", test.path, response.StatusCode, got, test.status, test.location)
		}
	}
	o.Ledger().Reset()
	follow := client(t)
	follow.CheckRedirect = nil
	response, err := follow.Do(slotted(t, o.URL()+"/redirect/3", "r", 5))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if key, most := o.Ledger().MaxPerSlot(); most != 1 || o.Ledger().Count("r", "5") != 4 {
		t.Errorf("three hops: %s seen %d times, slot seen %d times; want 1 and 4", key, most, o.Ledger().Count("r", "5"))
	}
}

func TestHostileBytesOnTheWire(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, want string }{
		{"/hostile/header", "\r\nX-Hostile: \xff\xfe \x80 \xc3(\r\n"},
		{"/hostile/reason", "HTTP/1.1 200 \xff\xfe \x80 \xc3(\r\n"},
		{"/hostile/latin1", "\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"},
		{"/hostile/escape", "\r\nX-Hostile: \a\x1b]0;owned\a\x1b[2J\x1b[31mred\r\n"},
		{"/hostile/escape", "\r\n\r\n\a\x1b]0;owned\a\x1b[2J\x1b[31mred\n"},
		{"/hostile/escape-body", "\r\n\r\n" + target.Escapes + "\n\tsecond line " + target.Escapes + "\n"},
		{"/hostile/escape-reason", "HTTP/1.1 200 " + target.Escapes + "\r\n"},
		{"/hostile/escape-head", target.Escapes + "\r\n" + target.Escapes + ": "},
		{"/hostile/escape-location", "\r\nLocation: ftp://" + target.Marks + "/" + target.Marks + "\r\n"},
		{"/hostile/escape-header", "\r\nX-Hostile: " + target.Marks + "\r\n"},
	}
	o := startOracle(t, target.OracleConfig{})
	for _, test := range tests {
		p := dialPeer(t, o)
		p.get(t, test.path, "Connection: close")
		if got, end := p.rest(t); !strings.Contains(got, test.want) || end != "FIN" {
			t.Errorf("%s = %q and %s, want %q in it and FIN", test.path, got, end, test.want)
		}
	}
}

func TestGzipBombGrows(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	response, body := fetch(t, client(t), o.URL()+"/gzip-bomb")
	if got := response.Header.Get("Content-Encoding"); got != "gzip" || len(body) > 20<<10 {
		t.Errorf("/gzip-bomb: %d bytes in %q", len(body), got)
	}
	bomb, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, bomb); n != 10<<20 || err != nil {
		t.Errorf("it grows to %d, %v, want 10 MiB", n, err)
	}
}

func TestHugeHead(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, size := range []int{1 << 20, 5000} {
		path := "/huge-head"
		if size != 1<<20 {
			path = fmt.Sprintf("/huge-head?bytes=%d", size)
		}
		p := dialPeer(t, o)
		p.get(t, path, "Connection: close")
		got, end := p.rest(t)
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if len(head) < size || len(head) > size+2048 || body != "ok\n" || end != "FIN" {
			t.Errorf("%s: a head of %d bytes, body %q, %s", path, len(head), body, end)
		}
	}
}
