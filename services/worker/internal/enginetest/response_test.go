package enginetest

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

func TestBodies(t *testing.T) { onEach(t, testBodies) }

func testBodies(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, tt := range []struct {
		name, method, path string
		limit              int
		status             int32
		received           int64
		kept               string
		truncated          bool
	}{
		{"whole", "GET", "/ok", 10, 200, 3, "ok\n", false},
		{"exactly the limit", "GET", "/ok", 3, 200, 3, "ok\n", false},
		{"one byte more than the limit", "GET", "/ok", 2, 200, 3, "ok", true},
		{"long", "GET", "/bytes/1000000", 5, 200, 1_000_000, "xxxxx", true},
		{"empty", "GET", "/bytes/0", 5, 200, 0, "", false},
		{"chunked", "GET", "/chunked/3", 100, 200, 24, "chunk 1\nchunk 2\nchunk 3\n", false},
		{"chunked, cut", "GET", "/chunked/1000", 9, 200, 9*8 + 90*9 + 900*10 + 11, "chunk 1\nc", true},
		{"HEAD", "HEAD", "/bytes/1000", 100, 200, 0, "", false},
		{"HEAD, chunked", "HEAD", "/chunked/3", 100, 200, 0, "", false},
		{"204", "GET", "/status/204", 100, 204, 0, "", false},
		{"304", "GET", "/status/304", 100, 304, 0, "", false},
		{"503", "GET", "/status/503", 7, 503, 24, "503 Ser", true},
		{"999", "GET", "/status/999", 100, 999, 16, "999 Nonstandard\n", false},
		{"HTTP/1.0", "GET", "/http10", 100, 200, 3, "ok\n", false},
		{"after hints", "GET", "/1xx/3", 100, 200, 3, "ok\n", false},
		{"after redirects, whose bodies do not count", "GET", "/redirect/2", 100, 200, 3, "ok\n", false},
		{"redirect without a location", "GET", "/redirect-no-location", 5, 302, 29, "moved", true},
		{"not UTF-8", "GET", "/hostile/latin1", 100, 200, 11, "caf\xe9 gr\xfc\xdfe\n", false},
		{"truncated, an error", "GET", "/truncated", 100, 200, 10, "xxxxxxxxxx", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := planFor(o.URL() + tt.path)
			p.Requests[0].Method, p.Outcomes.BodyBytes = tt.method, tt.limit
			got := send(t, e.newSender(t, p, nil), 0)
			if got.Status != tt.status || got.ReceivedBytes != tt.received || got.FirstByte <= 0 {
				t.Errorf("outcome = status %d, %d bytes, %v, want %d, %d and a time", got.Status, got.ReceivedBytes, got.FirstByte, tt.status, tt.received)
			}
			if got.Body == nil || string(got.Body.Bytes) != tt.kept || got.Body.Truncated != tt.truncated {
				t.Errorf("body = %+v, want %q, truncated %v", got.Body, tt.kept, tt.truncated)
			}
			p.Outcomes = plan.OutcomeOptions{}
			got = send(t, e.newSender(t, p, nil), 1)
			if got.Body != nil || got.Headers != nil || got.ReceivedBytes != tt.received {
				t.Errorf("without outcomes: %+v, want %d bytes, no body and no headers", got, tt.received)
			}
		})
	}
}

// Bodies are measured and returned as they are on the wire.
func TestGzipIsNotDecoded(t *testing.T) { onEach(t, testGzipIsNotDecoded) }

func testGzipIsNotDecoded(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	got := send(t, e.newSender(t, planFor(o.URL()+"/gzip-bomb"), nil), 0)
	if got.ReceivedBytes > 20<<10 || !bytes.HasPrefix(got.Body.Bytes, []byte("\x1f\x8b")) || !got.Body.Truncated {
		t.Errorf("body = %d bytes that begin % x, want the compressed ones", got.ReceivedBytes, got.Body.Bytes[:2])
	}
	if want := (outcome.Header{Name: "Content-Encoding", Value: "gzip"}); headerValue(got, "Content-Encoding") != want.Value {
		t.Errorf("headers = %v, want %v among them", got.Headers, want)
	}
}

func headerValue(o outcome.Outcome, name string) string {
	var values []string
	for _, h := range o.Headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return strings.Join(values, ",")
}

func TestHeadersAreReturnedAsAsked(t *testing.T) { onEach(t, testHeadersAreReturnedAsAsked) }

func testHeadersAreReturnedAsAsked(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, tt := range []struct {
		name  string
		path  string
		asked []string
		want  string // names, in order
	}{
		{"none", "/ok", nil, ""},
		{"one", "/ok", []string{"Content-Type"}, "Content-Type"},
		{"one that is absent", "/ok", []string{"X-Absent"}, ""},
		{"in their order, not ours", "/ok", []string{"X-Absent", "Content-Type", "Content-Length"}, "Content-Length Content-Type"},
		{"all", "/gzip-bomb", []string{"*"}, "Content-Encoding Content-Length Content-Type"},
		{"the last hop's", "/redirect/1", []string{"Location", "Content-Type"}, "Content-Type"},
		{"a redirect's that is not followed", "/redirect/9", []string{"Location"}, "Location"},
		{"invalid UTF-8 is the wire's to mend", "/hostile/header", []string{"X-Hostile"}, "X-Hostile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := planFor(o.URL() + tt.path)
			p.Outcomes.Headers = tt.asked
			got := send(t, e.newSender(t, p, nil), 0)
			var names []string
			for _, h := range got.Headers {
				names = append(names, h.Name)
				if h.Value == "" {
					t.Errorf("header %s = %q, want its value", h.Name, h.Value)
				}
			}
			if have := strings.Join(names, " "); have != tt.want {
				t.Errorf("headers = %s, want %s", have, tt.want)
			}
		})
	}
}

func TestMessagesDoNotQuoteTheTarget(t *testing.T) { onEach(t, testMessagesDoNotQuoteTheTarget) }

func testMessagesDoNotQuoteTheTarget(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, path := range []string{"/hostile/escape?token=secret", "/hostile/escape-head?token=secret", "/garbage?token=secret", "/bad-chunk?token=secret", "/reset?token=secret", "/eof?token=secret"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			got := send(t, e.newSender(t, planFor(o.URL()+path), nil), 0)
			if got.Message == "" || strings.Contains(got.Message, "Hostile") || strings.Contains(got.Message, "secret") || strings.Contains(got.Message, "\\x") {
				t.Errorf("message = %q, want one without header and query", got.Message)
			}
		})
	}
}

func TestFollowedRedirects(t *testing.T) { onEach(t, testFollowedRedirects) }

func testFollowedRedirects(t *testing.T, e engine) {
	t.Parallel()
	here, there := startOracle(t, target.OracleConfig{}), startOracle(t, target.OracleConfig{})
	to := func(status, location string) string {
		return "/redirect-to?status=" + status + "&url=" + url.QueryEscape(location)
	}
	for _, tt := range []struct {
		name, method, path string
		redirects          int32
		status             int32
		lands              string // the request that the last hop is: method, path, body
	}{
		{"301 of a GET", "GET", to("301", "/echo"), 1, 200, "GET /echo hello"},
		{"301 of a POST", "POST", to("301", "/echo"), 1, 200, "GET /echo "},
		{"302 of a POST", "POST", to("302", "/echo"), 1, 200, "GET /echo "},
		{"302 of a PUT", "PUT", to("302", "/echo"), 1, 200, "PUT /echo hello"},
		{"303 of a POST", "POST", to("303", "/echo"), 1, 200, "GET /echo "},
		{"303 of a PUT", "PUT", to("303", "/echo"), 1, 200, "GET /echo "},
		{"303 of a HEAD", "HEAD", to("303", "/echo"), 1, 200, "HEAD /echo "},
		{"307 of a POST", "POST", to("307", "/echo"), 1, 200, "POST /echo hello"},
		{"308 of a POST", "POST", to("308", "/echo"), 1, 200, "POST /echo hello"},
		{"304 is no redirect", "GET", to("304", "/echo"), 0, 304, ""},
		{"300 is no redirect", "GET", to("300", "/echo"), 0, 300, ""},
		{"relative, with a query", "GET", to("302", "echo?a=b"), 1, 200, "GET /echo?a=b hello"},
		{"a fragment stays here", "GET", to("302", "/echo#part"), 1, 200, "GET /echo hello"},
		{"userinfo is not taken", "GET", to("302", "http://evil:secret@"+here.Addr()+"/echo"), 1, 200, "GET /echo hello"},
		{"as many as allowed", "GET", "/redirect/3", 3, 200, "GET /redirect/0 hello"},
		{"one more than allowed", "GET", "/redirect/4", 3, 302, "GET /redirect/1 hello"},
		{"a loop", "GET", "/redirect-loop", 3, 302, "GET /redirect-loop hello"},
		{"a pair", "GET", "/redirect-pair/a", 3, 302, "GET /redirect-pair/b hello"},
		{"without a location", "GET", "/redirect-no-location", 0, 302, "GET /redirect-no-location hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			path := strings.ReplaceAll(tt.path, url.QueryEscape(here.Addr()), url.QueryEscape(o.Addr()))
			p := planFor(o.URL() + path)
			p.Requests[0].Method, p.Requests[0].Body = tt.method, []byte("hello")
			p.Requests[0].Headers = []plan.Header{
				{Name: "Authorization", Value: "mine"},
				{Name: "Content-Type", Value: "text/x-test"},
				{Name: "Host", Value: "virtual.example"},
			}
			got := send(t, e.newSender(t, p, nil), 3)
			seen := o.Ledger().Last()
			if got.Error != outcome.NoError || got.Status != tt.status || got.Redirects != tt.redirects {
				t.Errorf("outcome = %v (%s), status %d after %d redirects, want %d after %d", got.Error, got.Message, got.Status, got.Redirects, tt.status, tt.redirects)
			}
			if have := seen.Method + " " + seen.Path + " " + string(seen.Body); tt.lands != "" && have != tt.lands {
				t.Errorf("the last hop = %q, want %q", have, tt.lands)
			}
			if seen.Header.Get("Authorization") != "mine" || seen.Host != "virtual.example" || seen.Slot != "3" || seen.Run != "run" {
				t.Errorf("the last hop = %+v, want it to carry what the first did, as its origin is the same", seen)
			}
			if hasType := seen.Header.Get("Content-Type") != ""; hasType != (len(seen.Body) > 0) {
				t.Errorf("Content-Type present = %v with %d bytes of body", hasType, len(seen.Body))
			}
			if got.SentBytes%5 != 0 || got.SentBytes == 0 {
				t.Errorf("SentBytes = %d, want the body once for each hop that had it", got.SentBytes)
			}
		})
	}

	t.Run("across origins and back", func(t *testing.T) {
		t.Parallel()
		back := there.URL() + to("307", here.URL()+"/echo?back")
		p := planFor(here.URL() + to("307", back))
		p.Requests[0].Headers = []plan.Header{
			{Name: "Authorization", Value: "secret"},
			{Name: "Cookie", Value: "secret"},
			{Name: "Proxy-Authorization", Value: "secret"},
			{Name: "Host", Value: "virtual.example"},
			{Name: "X-Kept", Value: "kept"},
		}
		s := e.newSender(t, p, nil)
		for slot := range int64(2) { // the second shows that the first did not write to what slots share
			got := send(t, s, slot)
			if got.Error != outcome.NoError || got.Status != 200 || got.Redirects != 2 {
				t.Errorf("outcome = %+v, want 200 after 2 redirects", got)
			}
			if (got.Connection != nil) != (slot == 0) {
				t.Errorf("slot %d has connection %+v", slot, got.Connection)
			}
			for origin, o := range map[string]*target.Oracle{"there": there, "back here": here} {
				seen := o.Ledger().Last()
				for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
					if seen.Header.Get(name) != "" {
						t.Errorf("%s, %s = %q, want none", origin, name, seen.Header.Get(name))
					}
				}
				if seen.Host != o.Addr() || seen.Header.Get("X-Kept") != "kept" || seen.Run != "run" {
					t.Errorf("%s = %+v, want its own Host and the other headers", origin, seen)
				}
			}
		}
	})
}

func TestRedirectsThatAreRefused(t *testing.T) { onEach(t, testRedirectsThatAreRefused) }

func testRedirectsThatAreRefused(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, location := range []string{
		"http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/", "ftp://127.0.0.1/", "file:///etc/passwd", "javascript:1", "http:///ok",
		"http://127.0.0.1:port/", "http://%zz/",
	} {
		t.Run(location, func(t *testing.T) {
			t.Parallel()
			p := planFor(o.URL() + "/redirect-to?url=" + url.QueryEscape(location))
			got := send(t, e.newSender(t, p, nil), 0)
			if got.Error != outcome.PolicyRedirect || got.Message == "" || got.Status != 302 {
				t.Errorf("outcome = %v (%s), status %d, want POLICY_REDIRECT after the 302", got.Error, got.Message, got.Status)
			}
			p.HTTP.MaxRedirects = 0
			got = send(t, e.newSender(t, p, nil), 1)
			if got.Error != outcome.NoError || got.Status != 302 || got.Redirects != 0 {
				t.Errorf("without redirects = %v (%s), status %d after %d, want the 302 itself", got.Error, got.Message, got.Status, got.Redirects)
			}
		})
	}
}

func TestIdentityOfRequests(t *testing.T) { onEach(t, testIdentityOfRequests) }

func testIdentityOfRequests(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	basic := func(userinfo string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)) }
	for _, tt := range []struct {
		name, userinfo string
		headers        []plan.Header
		slotHeader     bool
		want           map[string]string
	}{
		{
			"ours", "", nil, true,
			map[string]string{"User-Agent": "fanout/test", "X-Fanout-Run": "run", "X-Fanout-Slot": "7", "Authorization": "", "Accept-Encoding": "", "Host": o.Addr()},
		},
		{"without slots", "", nil, false, map[string]string{"X-Fanout-Run": "run", "X-Fanout-Slot": ""}},
		{"userinfo", "us%40er:pass%3Aword@", nil, true, map[string]string{"Authorization": basic("us@er:pass:word")}},
		{"user alone", "user@", nil, true, map[string]string{"Authorization": basic("user:")}},
		{"the caller's word replaces ours", "user:pass@", []plan.Header{
			{Name: "authorization", Value: "Bearer x"},
			{Name: "USER-AGENT", Value: "mine"},
			{Name: "host", Value: "virtual.example"},
			{Name: "Accept-Encoding", Value: "gzip"},
		}, true, map[string]string{"Authorization": "Bearer x", "User-Agent": "mine", "Host": "virtual.example", "Accept-Encoding": "gzip"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := o
			if tt.want["Host"] == "" || tt.want["Host"] == "virtual.example" {
				o = startOracle(t, target.OracleConfig{})
			}
			p := planFor("http://" + tt.userinfo + o.Addr() + "/echo")
			p.HTTP.SlotHeader, p.Requests[0].Headers = tt.slotHeader, tt.headers
			if got := send(t, e.newSender(t, p, nil), 7); got.Error != outcome.NoError {
				t.Fatalf("outcome = %v (%s), want a response", got.Error, got.Message)
			}
			seen := o.Ledger().Last()
			for name, want := range tt.want {
				have := strings.Join(seen.Header.Values(name), ",")
				if name == "Host" {
					have = seen.Host
				}
				if have != want {
					t.Errorf("%s = %q, want %q", name, have, want)
				}
			}
		})
	}
}

func TestRequestBodies(t *testing.T) { onEach(t, testRequestBodies) }

func testRequestBodies(t *testing.T, e engine) {
	t.Parallel()
	for _, tt := range []struct {
		name, method string
		size         int
		length       string // the header
	}{
		{"POST", "POST", 1000, "1000"},
		{"empty POST", "POST", 0, "0"},
		{"GET with a body", "GET", 5, "5"},
		{"GET", "GET", 0, ""},
		{"large PUT", "PUT", 1 << 20, "1048576"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := planFor(o.URL() + "/ok")
			p.Requests[0].Method, p.Requests[0].Body = tt.method, bytes.Repeat([]byte("b"), tt.size)
			s := e.newSender(t, p, nil)
			for slot := range int64(3) {
				got := send(t, s, slot)
				seen := o.Ledger().Last()
				if got.Error != outcome.NoError || got.SentBytes != int64(tt.size) || seen.BodyBytes != int64(tt.size) {
					t.Errorf("slot %d = %v (%s), %d bytes sent, %d seen, want %d", slot, got.Error, got.Message, got.SentBytes, seen.BodyBytes, tt.size)
				}
				if seen.Header.Get("Content-Length") != tt.length || seen.Header.Get("Transfer-Encoding") != "" {
					t.Errorf("header = %v, want Content-Length %q and no Transfer-Encoding", seen.Header, tt.length)
				}
			}
			if o.Connections() != 1 {
				t.Errorf("Connections() = %d, want 1", o.Connections())
			}
		})
	}
}

// The first byte's timeout is no timeout of what follows it.
func TestFirstByteTimeoutEndsWithTheFirstByte(t *testing.T) {
	onEach(t, testFirstByteTimeoutEndsWithTheFirstByte)
}

func testFirstByteTimeoutEndsWithTheFirstByte(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, tt := range []struct {
		path string
		want outcome.Class
	}{
		{"/delay/300ms", outcome.TimeoutFirstByte},
		{"/delay/1ms", outcome.NoError},
		{"/redirect/2", outcome.NoError},
		{"/drip?interval=10ms", outcome.TimeoutBody},
		{"/stall-in-head", outcome.TimeoutBody},
	} {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			const limit, timeout = 150 * time.Millisecond, 500 * time.Millisecond
			p := planFor(o.URL() + tt.path)
			p.HTTP.FirstByteTimeout, p.Requests[0].Timeout = limit, timeout
			begin := time.Now()
			got := send(t, e.newSender(t, p, nil), 0)
			if got.Error != tt.want {
				t.Errorf("class = %v (%s), want %v", got.Error, got.Message, tt.want)
			}
			if took := time.Since(begin); tt.want == outcome.TimeoutBody && took < timeout || tt.want == outcome.TimeoutFirstByte && took < limit {
				t.Errorf("it ended after %v, before its timeout", took)
			}
		})
	}
}
