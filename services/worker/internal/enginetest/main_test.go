package enginetest

import (
	"context"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
	worker "github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/http1"
	"github.com/fanout-load/fanout/services/worker/internal/httpstd"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // net/http reports what a target sends unasked
	goleak.VerifyTestMain(m)
}

// engine is one of the two.
type engine struct {
	name string
	make func(p *plan.Plan, dialer *egress.Dialer, start time.Time, held func() bool) (newSender func() worker.Sender, closing func(), err error)
	held func() bool // given to make
}

var engines = []engine{
	{name: "http1", make: func(p *plan.Plan, dialer *egress.Dialer, start time.Time, held func() bool) (func() worker.Sender, func(), error) {
		c, err := http1.New(p, http1.Config{RunID: "run", UserAgent: "fanout/test", Dialer: dialer, Start: start, Held: held})
		if err != nil {
			return nil, nil, err
		}
		return func() worker.Sender { return c.Sender() }, c.Close, nil
	}},
	{name: "std", make: func(p *plan.Plan, dialer *egress.Dialer, start time.Time, held func() bool) (func() worker.Sender, func(), error) {
		c, err := httpstd.New(p, httpstd.Config{RunID: "run", UserAgent: "fanout/test", Dialer: dialer, Start: start, Held: held})
		if err != nil {
			return nil, nil, err
		}
		return func() worker.Sender { return c.Sender() }, c.Close, nil
	}},
}

// onEach runs a test with each engine.
func onEach(t *testing.T, test func(t *testing.T, e engine)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) { test(t, e) })
	}
}

// client is a client of an engine until the test's end.
type client struct {
	start     time.Time
	newSender func() worker.Sender
}

func (e engine) newClient(t *testing.T, p *plan.Plan, dialer *egress.Dialer) *client {
	t.Helper()
	if dialer == nil {
		dialer = &egress.Dialer{Policy: egress.Everything()}
	}
	start := time.Now()
	newSender, closing, err := e.make(p, dialer, start, e.held)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closing)
	return &client{start, newSender}
}

// sender is a sender whose slots are due when they are sent.
type sender struct {
	worker.Sender
	start time.Time
}

func (c *client) Sender() *sender { return &sender{c.newSender(), c.start} }

// Send sends a slot now.
func (s *sender) Send(ctx context.Context, o *outcome.Outcome) {
	o.Due = time.Since(s.start)
	s.Sender.Send(ctx, o)
}

func (e engine) newSender(t *testing.T, p *plan.Plan, dialer *egress.Dialer) *sender {
	t.Helper()
	s := e.newClient(t, p, dialer).Sender()
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, s *sender, slot int64) outcome.Outcome {
	t.Helper()
	o := outcome.Outcome{Slot: slot}
	s.Send(t.Context(), &o)
	return o
}

func startOracle(t *testing.T, config target.OracleConfig) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// planFor is a plan that says everything about the responses.
func planFor(url string) *plan.Plan {
	return &plan.Plan{
		Requests: []plan.Request{{URL: url, Method: "GET", Weight: 1, Timeout: 20 * time.Second}},
		Load:     plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 1}},
		HTTP: plan.HTTPOptions{
			DialTimeout: 5 * time.Second, TLSTimeout: 5 * time.Second, SlotHeader: true, MaxRedirects: 3,
		},
		Outcomes: plan.OutcomeOptions{BodyBytes: 1 << 10, Headers: []string{"*"}},
	}
}

// serveEach gives each connection to a goroutine of its own, and closes it after that, until the test's end.
func serveEach(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				serve(c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}
