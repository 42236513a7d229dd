package enginetest

import (
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// A connection carries as many requests as the plan says, those of redirects included, and its last one says that it is.
func TestRequestsPerConnection(t *testing.T) { onEach(t, testRequestsPerConnection) }

func testRequestsPerConnection(t *testing.T, e engine) {
	t.Parallel()
	for _, tt := range []struct {
		path               string
		limit, slots       int
		connections, asked int64 // connections, and requests with Connection: close
	}{
		{"/ok", 0, 6, 1, 0},
		{"/ok", 1, 6, 6, 6},
		{"/ok", 2, 6, 3, 3},
		{"/ok", 4, 6, 2, 1},
		{"/redirect/2", 1, 2, 6, 6},
		{"/redirect/2", 2, 3, 5, 4},
		{"/redirect/2", 3, 2, 2, 2},
	} {
		var asked int64
		requests := make(chan bool, 100)
		o := startOracle(t, target.OracleConfig{OnRequest: func(seen target.Seen) string {
			requests <- seen.Header.Get("Connection") == "close"
			return seen.Path
		}})
		p := planFor(o.URL() + tt.path)
		p.HTTP.RequestsPerConnection = tt.limit
		s := e.newSender(t, p, nil)
		for slot := range int64(tt.slots) {
			if got := send(t, s, slot); got.Error != outcome.NoError || got.Status != 200 {
				t.Errorf("%s, limit %d, slot %d = %+v, want a response", tt.path, tt.limit, slot, got)
			}
		}
		close(requests)
		for closes := range requests {
			if closes {
				asked++
			}
		}
		if o.Connections() != tt.connections || asked != tt.asked {
			t.Errorf("%s, limit %d: %d connections, %d requests that asked for the end, want %d and %d", tt.path, tt.limit, o.Connections(), asked, tt.connections, tt.asked)
		}
	}
}
