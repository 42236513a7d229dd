package enginetest

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

func TestEveryScriptHasItsClass(t *testing.T) { onEach(t, testEveryScriptHasItsClass) }

func testEveryScriptHasItsClass(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	for _, tt := range []struct {
		script string
		want   outcome.Class
	}{
		{"/ok", outcome.NoError},
		{"/status/404", outcome.NoError},
		{"/status/503", outcome.NoError},
		{"/status/204", outcome.NoError},
		{"/bytes/100000", outcome.NoError},
		{"/chunked/10", outcome.NoError},
		{"/http10", outcome.NoError},
		{"/1xx/5", outcome.NoError},
		{"/gzip-bomb", outcome.NoError},
		{"/redirect/3", outcome.NoError},
		{"/redirect-no-location", outcome.NoError},
		{"/redirect-loop", outcome.NoError},
		{"/hostile/header", outcome.NoError},
		{"/hostile/reason", outcome.NoError},
		{"/hostile/body", outcome.NoError},
		{"/hostile/latin1", outcome.NoError},
		{"/hostile/nul", outcome.NoError},
		{"/hostile/escape", outcome.ProtoMalformed}, // RFC 9110 section 5.5: control characters are invalid in a header
		{"/hostile/escape-body", outcome.NoError},
		{"/hostile/escape-header", outcome.NoError},
		{"/hostile/escape-location", outcome.PolicyRedirect},
		{"/hostile/escape-head", outcome.ProtoMalformed},
		{"/delay/2s", outcome.TimeoutFirstByte},
		{"/stall", outcome.TimeoutFirstByte},
		{"/stall-in-head", outcome.TimeoutBody},
		{"/stall-in-body", outcome.TimeoutBody},
		{"/drip", outcome.TimeoutBody},
		{"/drip?interval=20ms", outcome.TimeoutBody},
		{"/endless", outcome.TimeoutBody},
		{"/reset", outcome.ConnReset},
		{"/reset-in-head", outcome.ConnReset},
		{"/eof", outcome.ConnEOF},
		{"/reset-after-head", outcome.BodyReset},
		{"/reset-in-body", outcome.BodyReset},
		{"/truncated", outcome.BodyTruncated},
		{"/truncated-chunk", outcome.BodyTruncated},
		{"/bad-chunk", outcome.BodyChunk},
		{"/garbage", outcome.ProtoMalformed},
		{"/garbage-status", outcome.ProtoMalformed},
		{"/huge-head", outcome.ProtoHeadTooLarge},
		{"/1xx-flood", outcome.ProtoHeadTooLarge},
		{"/redirect-metadata", outcome.PolicyRedirect},
		{"/redirect-to?url=ftp://x/&status=302", outcome.PolicyRedirect},
	} {
		t.Run(tt.script, func(t *testing.T) {
			t.Parallel()
			p := planFor(o.URL() + tt.script)
			if tt.want == outcome.TimeoutFirstByte || tt.want == outcome.TimeoutBody {
				p.Requests[0].Timeout = 300 * time.Millisecond
			}
			got := send(t, e.newSender(t, p, nil), 1)
			if got.Error != tt.want {
				t.Errorf("class = %v (%s), want %v", got.Error, got.Message, tt.want)
			}
			if (got.Error == outcome.NoError) != (got.Message == "") || len(got.Message) > errclass.MaxMessage {
				t.Errorf("message of %v = %q", got.Error, got.Message)
			}
			if got.Error == outcome.NoError && (got.Status == 0 || got.FirstByte == 0 || got.Body == nil) {
				t.Errorf("response = %+v, want status, first byte and body", got)
			}
		})
	}
}

func TestConnectionsThatFail(t *testing.T) { onEach(t, testConnectionsThatFail) }

func testConnectionsThatFail(t *testing.T, e engine) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	notFound := &egress.Dialer{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}}
	slow := &egress.Dialer{Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	}}
	for _, tt := range []struct {
		name, url string
		dialer    *egress.Dialer
		want      outcome.Class
	}{
		{"nobody listens", "http://" + closed.Addr().String(), nil, outcome.DialRefused},
		{"no such name", "http://none.example/", notFound, outcome.DNSNotFound},
		{"a name server that is silent", "http://slow.example/", slow, outcome.DNSTimeout},
		{"metadata", "http://169.254.169.254/", nil, outcome.PolicyBlocked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := planFor(tt.url)
			if tt.want == outcome.DNSTimeout {
				p.HTTP.DialTimeout = 100 * time.Millisecond
			}
			if got := send(t, e.newSender(t, p, tt.dialer), 0); got.Error != tt.want {
				t.Errorf("class = %v (%s), want %v", got.Error, got.Message, tt.want)
			}
		})
	}
}

func TestTLS(t *testing.T) { onEach(t, testTLS) }

func testTLS(t *testing.T, e engine) {
	t.Parallel()
	good, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	other, err := target.NewCertificates("other.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		config *tls.Config
		accept target.AcceptAction
		tls    plan.TLSOptions
		want   outcome.Class
	}{
		{"trusted", good.Config, target.AcceptServe, plan.TLSOptions{CAPEM: string(good.CAPEM)}, outcome.NoError},
		{"anyone", good.Config, target.AcceptServe, plan.TLSOptions{InsecureSkipVerify: true}, outcome.NoError},
		{"another server name", other.Config, target.AcceptServe, plan.TLSOptions{CAPEM: string(other.CAPEM), ServerName: "other.example"}, outcome.NoError},
		{"unknown authority", good.Config, target.AcceptServe, plan.TLSOptions{CAPEM: string(other.CAPEM)}, outcome.TLSVerify},
		{"expired", good.Expired(), target.AcceptServe, plan.TLSOptions{CAPEM: string(good.CAPEM)}, outcome.TLSVerify},
		{"another host's", other.Config, target.AcceptServe, plan.TLSOptions{CAPEM: string(other.CAPEM)}, outcome.TLSHostname},
		{"plain text", good.Config, target.AcceptPlainText, plan.TLSOptions{CAPEM: string(good.CAPEM)}, outcome.TLSNotTLS},
		{"a client certificate is demanded", good.ServeAlert(), target.AcceptServe, plan.TLSOptions{CAPEM: string(good.CAPEM)}, outcome.TLSAlert},
		{"silence", good.Config, target.AcceptHold, plan.TLSOptions{CAPEM: string(good.CAPEM)}, outcome.TLSTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{TLS: tt.config, OnAccept: func(int64) target.AcceptAction { return tt.accept }})
			p := planFor(o.URL() + "/ok")
			p.HTTP.TLS = tt.tls
			if tt.want == outcome.TLSTimeout {
				p.HTTP.TLSTimeout = 100 * time.Millisecond
			}
			got := send(t, e.newSender(t, p, nil), 0)
			if got.Error != tt.want {
				t.Errorf("class = %v (%s), want %v", got.Error, got.Message, tt.want)
			}
			if got.Error == outcome.NoError && got.Connection.TLS == 0 {
				t.Errorf("connection = %+v, want the handshake measured", got.Connection)
			}
		})
	}
}

// A server that closes a reused connection after it has read the next request sees no request twice: the slot ends as
// CONN_CLOSED_IDLE, and the next one dials anew.
func TestNoRequestIsSentTwice(t *testing.T) { onEach(t, testNoRequestIsSentTwice) }

func testNoRequestIsSentTwice(t *testing.T, e engine) {
	t.Parallel()
	for _, script := range []string{"/close-on-next", "/reset-on-next"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			s := e.newSender(t, planFor(o.URL()+script), nil)
			reused, left := 0, false
			for slot := range int64(200) {
				got := send(t, s, slot)
				want := outcome.NoError
				if got.Connection == nil {
					want = outcome.ConnClosedIdle
					reused++
				}
				if got.Error != want {
					t.Fatalf("slot %d = %v (%s), want %v", slot, got.Error, got.Message, want)
				}
				// On a busy machine net/http does not use each connection again: one whose request it has not seen written when
				// the response is there it closes.
				if reuses := got.Connection == nil; reuses && !left || !reuses && left && e.name != "std" {
					t.Errorf("slot %d has connection %+v", slot, got.Connection)
				}
				left = got.Error == outcome.NoError
			}
			if reused == 0 {
				t.Error("no connection was used again")
			}
			if key, n := o.Ledger().MaxPerSlot(); n != 1 || o.Ledger().Total() != 200 {
				t.Errorf("the target saw %d requests, %s %d times, want 200, each once", o.Ledger().Total(), key, n)
			}
		})
	}
}

// Closing after a response is not an error when it was announced, nor is it ever answered by sending again.
func TestConnectionsThatClose(t *testing.T) { onEach(t, testConnectionsThatClose) }

func testConnectionsThatClose(t *testing.T, e engine) {
	t.Parallel()
	for _, script := range []string{"/close-announced", "/http10"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			s := e.newSender(t, planFor(o.URL()+script), nil)
			for slot := range int64(50) {
				if got := send(t, s, slot); got.Error != outcome.NoError || got.Connection == nil {
					t.Fatalf("slot %d = %v (%s) on %+v, want a response on a new connection", slot, got.Error, got.Message, got.Connection)
				}
			}
		})
	}
	t.Run("unannounced", func(t *testing.T) {
		t.Parallel()
		o := startOracle(t, target.OracleConfig{})
		s := e.newSender(t, planFor(o.URL()+"/close"), nil)
		for slot := range int64(200) {
			if got := send(t, s, slot); got.Error != outcome.NoError && got.Error != outcome.ConnClosedIdle {
				t.Fatalf("slot %d = %v (%s), want a response or CONN_CLOSED_IDLE", slot, got.Error, got.Message)
			}
		}
		if key, n := o.Ledger().MaxPerSlot(); n != 1 {
			t.Errorf("%s was seen %d times", key, n)
		}
	})
}

func TestRequestsCarryWhatThePlanSays(t *testing.T) { onEach(t, testRequestsCarryWhatThePlanSays) }

func testRequestsCarryWhatThePlanSays(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := planFor(strings.Replace(o.URL(), "http://", "http://user:secret@", 1) + "/echo?q=1")
	p.Requests[0].Method, p.Requests[0].Body = "POST", []byte("hello")
	p.Requests[0].Headers = []plan.Header{{Name: "Host", Value: "host.example"}, {Name: "x-two", Value: "a"}, {Name: "X-Two", Value: "b"}}
	got := send(t, e.newSender(t, p, nil), 7)
	seen := o.Ledger().Last()
	if got.Error != outcome.NoError || got.SentBytes != 5 || seen.Method != "POST" || string(seen.Body) != "hello" || seen.Host != "host.example" {
		t.Errorf("the target saw %+v, and the outcome is %+v", seen, got)
	}
	for name, want := range map[string]string{
		"Authorization": "Basic dXNlcjpzZWNyZXQ=", "User-Agent": "fanout/test", "X-Fanout-Run": "run", "X-Fanout-Slot": "7", "X-Two": "a,b",
	} {
		if have := strings.Join(seen.Header.Values(name), ","); have != want {
			t.Errorf("header %s = %q, want %q", name, have, want)
		}
	}
	if seen.Header.Get("Accept-Encoding") != "" {
		t.Errorf("Accept-Encoding = %q, want none", seen.Header.Get("Accept-Encoding"))
	}
}

func TestBodiesAreKeptUpToTheLimit(t *testing.T) { onEach(t, testBodiesAreKeptUpToTheLimit) }

func testBodiesAreKeptUpToTheLimit(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	got := send(t, e.newSender(t, planFor(o.URL()+"/bytes/5000"), nil), 0)
	if got.ReceivedBytes != 5000 || len(got.Body.Bytes) != 1<<10 || !got.Body.Truncated {
		t.Errorf("5,000 bytes = %d received, %d kept, truncated %v", got.ReceivedBytes, len(got.Body.Bytes), got.Body.Truncated)
	}
	got = send(t, e.newSender(t, planFor(o.URL()+"/bytes/1024"), nil), 0)
	if len(got.Body.Bytes) != 1<<10 || got.Body.Truncated {
		t.Errorf("1,024 bytes = %d kept, truncated %v, want all", len(got.Body.Bytes), got.Body.Truncated)
	}
}

func TestRedirects(t *testing.T) { onEach(t, testRedirects) }

func testRedirects(t *testing.T, e engine) {
	t.Parallel()
	o, elsewhere := startOracle(t, target.OracleConfig{}), startOracle(t, target.OracleConfig{})
	got := send(t, e.newSender(t, planFor(o.URL()+"/redirect/3"), nil), 0)
	if got.Status != 200 || got.Redirects != 3 {
		t.Errorf("3 redirects = status %d after %d, want 200 after 3", got.Status, got.Redirects)
	}
	got = send(t, e.newSender(t, planFor(o.URL()+"/redirect/4"), nil), 0)
	if got.Status != 302 || got.Redirects != 3 {
		t.Errorf("4 redirects = status %d after %d, want 302 after 3", got.Status, got.Redirects)
	}
	p := planFor(o.URL() + "/redirect-to?status=303&url=" + elsewhere.URL() + "/echo")
	p.Requests[0].Method, p.Requests[0].Body = "POST", []byte("hello")
	p.Requests[0].Headers = []plan.Header{{Name: "Authorization", Value: "secret"}, {Name: "Cookie", Value: "secret"}}
	got = send(t, e.newSender(t, p, nil), 0)
	seen := elsewhere.Ledger().Last()
	if got.Status != 200 || seen.Method != "GET" || len(seen.Body) != 0 || seen.Header.Get("Authorization")+seen.Header.Get("Cookie") != "" {
		t.Errorf("303 to another origin = status %d, and it saw %+v, want a GET without what identifies the caller", got.Status, seen)
	}
}

func TestFirstByteTimeout(t *testing.T) { onEach(t, testFirstByteTimeout) }

func testFirstByteTimeout(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := planFor(o.URL() + "/stall")
	p.HTTP.FirstByteTimeout = 50 * time.Millisecond
	if got := send(t, e.newSender(t, p, nil), 0); got.Error != outcome.TimeoutFirstByte {
		t.Errorf("class = %v (%s), want TIMEOUT_FIRST_BYTE", got.Error, got.Message)
	}
}
