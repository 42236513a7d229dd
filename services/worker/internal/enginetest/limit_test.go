package enginetest

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// A connection carries as many requests as the plan says, redirects included. The last one of them announces the end, so that
// the target knows, and the next slot opens a new connection.
func TestRequestsPerConnection(t *testing.T) { onEach(t, testRequestsPerConnection) }

func testRequestsPerConnection(t *testing.T, e engine) {
	t.Parallel()
	for _, tt := range []struct {
		limit  int
		path   string
		method string
		hops   int // of a slot
	}{
		{1, "/ok", "GET", 1},
		{1, "/ok", "POST", 1},
		{1, "/chunked/3", "GET", 1},
		{1, "/redirect/2", "GET", 3},
		{2, "/ok", "GET", 1},
		{3, "/ok", "HEAD", 1},
		{3, "/status/204", "GET", 1},
		{4, "/redirect/2", "GET", 3},
		{1000, "/ok", "GET", 1},
	} {
		t.Run(fmt.Sprintf("%d of %s %s", tt.limit, tt.method, tt.path), func(t *testing.T) {
			t.Parallel()
			const slots = 12
			var (
				mu  sync.Mutex
				saw []target.Seen // guarded by mu; on one connection after the other
			)
			o := startOracle(t, target.OracleConfig{OnRequest: func(seen target.Seen) string {
				mu.Lock()
				defer mu.Unlock()
				saw = append(saw, seen)
				return seen.Path
			}})
			p := planFor(o.URL() + tt.path)
			p.Requests[0].Method = tt.method
			p.HTTP.RequestsPerConnection = tt.limit
			if tt.method == http.MethodPost {
				p.Requests[0].Body = []byte("hello")
			}
			s := e.newSender(t, p, nil)
			opened := 0
			for slot := range int64(slots) {
				got := send(t, s, slot)
				if got.Error != outcome.NoError {
					t.Fatalf("slot %d = %v (%s), want a response", slot, got.Error, got.Message)
				}
				if got.Connection != nil {
					opened++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			requests := slots * tt.hops
			connections := (requests + tt.limit - 1) / tt.limit
			if o.Connections() != int64(connections) || len(saw) != requests {
				t.Errorf("%d requests on %d connections, want %d on %d", len(saw), o.Connections(), requests, connections)
			}
			if tt.hops == 1 && opened != connections {
				t.Errorf("%d slots opened a connection, want %d", opened, connections)
			}
			for i, seen := range saw {
				last := (i+1)%tt.limit == 0
				if got := seen.Header.Get("Connection"); (got == "close") != last {
					t.Errorf("request %d of a connection for %d has Connection %q", i%tt.limit+1, tt.limit, got)
				}
			}
		})
	}
}

// What one sender leaves behind counts for the next: the limit is the connection's, not the sender's.
func TestRequestsPerConnectionOverSenders(t *testing.T) {
	onEach(t, testRequestsPerConnectionOverSenders)
}

func testRequestsPerConnectionOverSenders(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := planFor(o.URL() + "/ok")
	p.HTTP.RequestsPerConnection = 3
	p.Load = plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 1}}
	c := e.newClient(t, p, nil)
	for slot := range int64(9) {
		s := c.Sender()
		got := send(t, s, slot)
		if got.Error != outcome.NoError || (got.Connection != nil) != (slot%3 == 0) {
			t.Errorf("slot %d = %v (%s) on %+v, want a new connection for each third slot", slot, got.Error, got.Message, got.Connection)
		}
		s.Close()
	}
	if o.Connections() != 3 {
		t.Errorf("Connections() = %d, want 3", o.Connections())
	}
}
