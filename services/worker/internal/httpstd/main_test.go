package httpstd

import (
	"io"
	"log"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// What both engines have in common is tested in package enginetest; here is what only this one has.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http reports what a target sends unasked
	goleak.VerifyTestMain(m)
}

func startOracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// newClient is a client of a plan with one request, until the test's end.
func newClient(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(&plan.Plan{
		Requests: []plan.Request{{URL: url, Method: "GET", Weight: 1, Timeout: 20 * time.Second}},
		Load:     plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 1}},
		HTTP:     plan.HTTPOptions{DialTimeout: 5 * time.Second, TLSTimeout: 5 * time.Second},
	}, Config{RunID: "run", UserAgent: "fanout/test", Dialer: &egress.Dialer{}, Start: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
