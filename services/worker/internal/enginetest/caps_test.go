package enginetest

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
	worker "github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/http1"
	"github.com/fanout-load/fanout/services/worker/internal/httpstd"
)

// A response within the caps on its head and body is one, and one beyond is an error that names the cap; the next slot gets its own
// response all the same.
func TestResponsesAreCapped(t *testing.T) {
	t.Parallel()
	const maxHead, maxBody = 4096, 10_000
	for _, tt := range []struct {
		path    string
		want    outcome.Class
		message string
	}{
		{"/bytes/9999", outcome.NoError, ""},
		{"/bytes/10000", outcome.NoError, ""},
		{"/bytes/10001", outcome.BodyTooLarge, "cap of 10000 bytes (max_response_bytes)"},
		{"/bytes/100000000", outcome.BodyTooLarge, "cap of 10000 bytes (max_response_bytes)"},
		{"/chunked/3", outcome.NoError, ""},
		{"/chunked/20000", outcome.BodyTooLarge, "cap of 10000 bytes (max_response_bytes)"},
		{"/endless", outcome.BodyTooLarge, "cap of 10000 bytes (max_response_bytes)"},
		{"/huge-head?bytes=2000", outcome.NoError, ""},
		{"/huge-head?bytes=5000", outcome.ProtoHeadTooLarge, "cap of 4096 bytes (max_head_bytes)"},
	} {
		for _, e := range engines {
			t.Run(e.name+" "+tt.path, func(t *testing.T) {
				t.Parallel()
				o := startOracle(t, target.OracleConfig{})
				p := planFor(o.URL() + tt.path)
				p.Requests = append(p.Requests, planFor(o.URL()+"/ok").Requests...)
				s := cappedSender(t, e.name, p, maxHead, maxBody)
				got := send(t, s, 0)
				if got.Error != tt.want || !strings.Contains(got.Message, tt.message) || got.ReceivedBytes > maxBody+64<<10 {
					t.Errorf("GET %s = %v (%s) with %d bytes, want %v and %q", tt.path, got.Error, got.Message, got.ReceivedBytes, tt.want, tt.message)
				}
				next := outcome.Outcome{Slot: 1, Request: 1}
				if s.Send(t.Context(), &next); next.Error != outcome.NoError || string(next.Body.Bytes) != "ok\n" {
					t.Errorf("the slot after GET %s = %v (%s), want its response", tt.path, next.Error, next.Message)
				}
			})
		}
	}
}

// A body that ends with the connection is bounded as well.
func TestBodiesToTheEndAreCapped(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			address := serveEach(t, func(c net.Conn) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
				for err := error(nil); err == nil; _, err = c.Write(make([]byte, 1000)) {
				}
			})
			got := send(t, cappedSender(t, e.name, planFor("http://"+address+"/"), 4096, 10_000), 0)
			if got.Error != outcome.BodyTooLarge || got.Status != 200 {
				t.Errorf("a body without end = %d, %v (%s), want BODY_TOO_LARGE", got.Status, got.Error, got.Message)
			}
		})
	}
}

// cappedSender is a sender with caps on what it receives.
func cappedSender(t *testing.T, engine string, p *plan.Plan, maxHead int, maxBody int64) *sender {
	t.Helper()
	start := time.Now()
	var made worker.Sender
	if engine == "std" {
		c, err := httpstd.New(p, httpstd.Config{RunID: "run", Dialer: &egress.Dialer{}, Start: start, MaxHead: maxHead, MaxBody: maxBody})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		made = c.Sender()
	} else {
		c, err := http1.New(p, http1.Config{RunID: "run", Dialer: &egress.Dialer{}, Start: start, MaxHead: maxHead, MaxBody: maxBody})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		made = c.Sender()
	}
	t.Cleanup(made.Close)
	return &sender{made, start}
}
