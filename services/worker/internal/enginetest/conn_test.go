package enginetest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// startStubborn starts an oracle that does the same to every connection, in TLS if secure; it returns the authority too.
func startStubborn(t *testing.T, action target.AcceptAction, secure bool) (o *target.Oracle, caPEM string) {
	t.Helper()
	config := target.OracleConfig{OnAccept: func(int64) target.AcceptAction { return action }}
	if secure {
		certificates, err := target.NewCertificates()
		if err != nil {
			t.Fatal(err)
		}
		config.TLS, caPEM = certificates.Config, string(certificates.CAPEM)
	}
	return startOracle(t, config), caPEM
}

func TestConnectionsThatAreNotServed(t *testing.T) { onEach(t, testConnectionsThatAreNotServed) }

func testConnectionsThatAreNotServed(t *testing.T, e engine) {
	t.Parallel()
	// Whether the dial, the first write or the first read meets the reset is a race; the others then see a plain end.
	reset := []outcome.Class{outcome.ConnReset, outcome.ConnPipe, outcome.ConnEOF, outcome.DialOther}
	for _, tt := range []struct {
		name   string
		action target.AcceptAction
		secure bool
		body   int
		want   []outcome.Class
	}{
		{"reset", target.AcceptReset, false, 0, reset},
		{"reset of a large request", target.AcceptReset, false, 1 << 20, reset},
		{"closed", target.AcceptClose, false, 0, []outcome.Class{outcome.ConnEOF}},
		{"held", target.AcceptHold, false, 0, []outcome.Class{outcome.TimeoutFirstByte}},
		{"held with a large request", target.AcceptHold, false, 32 << 20, []outcome.Class{outcome.TimeoutWrite}},
		{"TLS, reset", target.AcceptReset, true, 0, []outcome.Class{outcome.TLSAlert, outcome.DialOther}},
		{"TLS, closed", target.AcceptClose, true, 0, []outcome.Class{outcome.TLSAlert}},
		{"TLS, plain text", target.AcceptPlainText, true, 0, []outcome.Class{outcome.TLSNotTLS}},
		{"TLS, held", target.AcceptHold, true, 0, []outcome.Class{outcome.TLSTimeout}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, caPEM := startStubborn(t, tt.action, tt.secure)
			p := planFor(o.URL() + "/ok")
			p.HTTP.TLS.CAPEM = caPEM
			if tt.action == target.AcceptHold {
				p.Requests[0].Timeout = 500 * time.Millisecond
			}
			p.Requests[0].Body = make([]byte, tt.body)
			s := e.newSender(t, p, nil)
			for slot := range int64(20) {
				got := send(t, s, slot)
				if !slices.Contains(tt.want, got.Error) || got.Message == "" {
					t.Fatalf("slot %d = %v (%s), want one of %v", slot, got.Error, got.Message, tt.want)
				}
				if got.Error.String()[:3] == "TLS" && got.Connection != nil {
					t.Errorf("slot %d has connection %+v without a handshake", slot, got.Connection)
				}
				if tt.action == target.AcceptHold {
					return // one timeout is enough
				}
			}
			if n := o.Ledger().Total(); n != 0 || o.Connections() != 20 {
				t.Errorf("%d requests on %d connections, want none on 20: a failed slot dials anew", n, o.Connections())
			}
		})
	}
}

func TestOnlyTheSlotThatOpensAConnectionHasIt(t *testing.T) {
	onEach(t, testOnlyTheSlotThatOpensAConnectionHasIt)
}

func testOnlyTheSlotThatOpensAConnectionHasIt(t *testing.T, e engine) {
	t.Parallel()
	for _, tt := range []struct{ path, method string }{
		{"/ok", "GET"},
		{"/ok", "HEAD"},
		{"/status/204", "GET"},
		{"/status/304", "GET"},
		{"/status/503", "POST"},
		{"/chunked/10", "GET"},
		{"/chunked/0", "GET"},
		{"/bytes/100000", "GET"},
		{"/bytes/0", "GET"},
		{"/1xx/3", "GET"},
		{"/redirect/2", "GET"},
		{"/gzip-bomb", "GET"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			t.Parallel()
			o := startOracle(t, target.OracleConfig{})
			p := planFor(o.URL() + tt.path)
			p.Requests[0].Method = tt.method
			s := e.newSender(t, p, nil)
			for slot := range int64(50) {
				got := send(t, s, slot)
				if got.Error != outcome.NoError || (got.Connection != nil) != (slot == 0) {
					t.Fatalf("slot %d = %v (%s), connection %+v, want a response, and the connection on slot 0 only",
						slot, got.Error, got.Message, got.Connection)
				}
				if c := got.Connection; c != nil && (c.Peer != o.Addr() || c.Protocol != "HTTP/1.1" || c.Dial <= 0 || c.TLS != 0 || c.DNS != 0) {
					t.Errorf("connection = %+v, want HTTP/1.1 to %s, dialled without TLS and DNS", c, o.Addr())
				}
			}
			if o.Connections() != 1 {
				t.Errorf("Connections() = %d, want 1", o.Connections())
			}
		})
	}
}

// What a sender leaves behind the others of its call use, and a sender's own connection never goes to another origin.
func TestConnectionsAreHandedOn(t *testing.T) { onEach(t, testConnectionsAreHandedOn) }

func testConnectionsAreHandedOn(t *testing.T, e engine) {
	t.Parallel()
	a, b := startOracle(t, target.OracleConfig{}), startOracle(t, target.OracleConfig{})
	p := planFor(a.URL() + "/ok")
	p.Requests = append(p.Requests, planFor(b.URL()+"/ok").Requests...)
	c := e.newClient(t, p, nil)
	for sender := range int64(3) {
		s := c.Sender()
		for slot := range int64(10) {
			got := outcome.Outcome{Slot: sender*10 + slot, Request: int32(slot % 2)}
			s.Send(t.Context(), &got)
			if opens := sender == 0 && slot < 2; got.Error != outcome.NoError || (got.Connection != nil) != opens {
				t.Errorf("sender %d, slot %d = %v (%s), connection %+v, want a new one: %v", sender, slot, got.Error, got.Message, got.Connection, opens)
			}
		}
		s.Close()
		s.Close() // gives nothing twice
	}
	if a.Connections() != 1 || b.Connections() != 1 {
		t.Errorf("Connections() = %d and %d, want 1 each", a.Connections(), b.Connections())
	}
}

// Slots that are sent all at once have a connection each, also where one has ended before another begins.
func TestAllAtOnceIsOnNewConnections(t *testing.T) { onEach(t, testAllAtOnceIsOnNewConnections) }

func testAllAtOnceIsOnNewConnections(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := planFor(o.URL() + "/ok")
	p.Load = plan.Load{}
	c := e.newClient(t, p, nil)
	for slot := range int64(10) {
		s := c.Sender()
		if got := send(t, s, slot); got.Error != outcome.NoError || got.Connection == nil {
			t.Errorf("slot %d = %v (%s) on %+v, want a response on a new connection", slot, got.Error, got.Message, got.Connection)
		}
		s.Close()
	}
	if o.Connections() != 10 {
		t.Errorf("Connections() = %d, want 10", o.Connections())
	}
}

// Nothing that a server does to a reused connection makes a request go out a second time, whatever net/http would allow
// itself for the method and its Idempotency-Key.
func TestNothingIsRepeatedOnReusedConnections(t *testing.T) {
	onEach(t, testNothingIsRepeatedOnReusedConnections)
}

func testNothingIsRepeatedOnReusedConnections(t *testing.T, e engine) {
	t.Parallel()
	const senders, slots = 4, 100 // per sender
	for _, script := range []string{"/close-on-next", "/reset-on-next", "/close", "/close-announced", "/unsolicited", "/unsolicited?after=0"} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(method+" "+script, func(t *testing.T) {
				t.Parallel()
				o := startOracle(t, target.OracleConfig{})
				p := planFor(o.URL() + script)
				p.Requests[0].Method = method
				p.Requests[0].Headers = []plan.Header{{Name: "Idempotency-Key", Value: "k"}}
				if method == "POST" {
					p.Requests[0].Body = []byte("hello")
				}
				c := e.newClient(t, p, nil)
				var running sync.WaitGroup
				for sender := range int64(senders) {
					running.Go(func() {
						s := c.Sender()
						defer s.Close()
						for slot := range int64(slots) {
							got := send(t, s, sender*slots+slot)
							late := got.Error == outcome.ProtoMalformed && script == "/unsolicited" // it came after the request had begun
							if got.Error != outcome.NoError && got.Error != outcome.ConnClosedIdle && !late {
								t.Errorf("slot %d = %v (%s), want a response or CONN_CLOSED_IDLE", got.Slot, got.Error, got.Message)
							}
							if got.Error == outcome.NoError && script == "/unsolicited?after=0" && string(got.Body.Bytes) != "ok\n" {
								t.Errorf("slot %d = %q, which came before the slot's request, want its own answer", got.Slot, got.Body.Bytes)
							}
							if got.Error == outcome.ConnClosedIdle && (got.Status != 0 || got.FirstByte != 0 || got.Connection != nil) {
								t.Errorf("slot %d = %+v, want no response and no new connection", got.Slot, got)
							}
						}
					})
				}
				running.Wait()
				if key, n := o.Ledger().MaxPerSlot(); n > 1 {
					t.Errorf("the target saw %s %d times, want once at most", key, n)
				}
			})
		}
	}
}

func TestTheCallersConnectionCloseIsHeeded(t *testing.T) {
	onEach(t, testTheCallersConnectionCloseIsHeeded)
}

func testTheCallersConnectionCloseIsHeeded(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	p := planFor(o.URL() + "/ok")
	p.Requests[0].Headers = []plan.Header{{Name: "Connection", Value: "close"}}
	s := e.newSender(t, p, nil)
	for slot := range int64(10) {
		if got := send(t, s, slot); got.Error != outcome.NoError || got.Connection == nil {
			t.Errorf("slot %d = %v (%s) on %+v, want a response on a new connection", slot, got.Error, got.Message, got.Connection)
		}
	}
}

// A call's end ends a slot wherever it is, with the class of its cause.
func TestTheCauseIsTheClass(t *testing.T) { onEach(t, testTheCauseIsTheClass) }

func testTheCauseIsTheClass(t *testing.T, e engine) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	held, caPEM := startStubborn(t, target.AcceptHold, true)
	silent := &egress.Dialer{Lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true}
	}}
	for _, where := range []struct {
		name, url string
		after     time.Duration
	}{
		{"before", o.URL() + "/ok", 0},
		{"look-up", "http://silent.example/", 50 * time.Millisecond},
		{"handshake", held.URL(), 50 * time.Millisecond},
		{"wait", o.URL() + "/stall", 50 * time.Millisecond},
		{"head", o.URL() + "/stall-in-head", 50 * time.Millisecond},
		{"body", o.URL() + "/stall-in-body", 50 * time.Millisecond},
		{"endless body", o.URL() + "/endless", 50 * time.Millisecond},
	} {
		for cause, want := range map[error]outcome.Class{
			errclass.ErrCancelled: outcome.Cancelled, errclass.ErrRunDeadline: outcome.RunDeadline, errclass.ErrShutdown: outcome.Shutdown,
		} {
			t.Run(fmt.Sprintf("%s/%v", where.name, want), func(t *testing.T) {
				t.Parallel()
				p := planFor(where.url)
				p.HTTP.TLS.CAPEM = caPEM
				s := e.newSender(t, p, silent)
				ctx, cancel := context.WithCancelCause(t.Context())
				if where.after == 0 {
					cancel(cause)
				} else {
					time.AfterFunc(where.after, func() { cancel(cause) })
				}
				got, begin := outcome.Outcome{}, time.Now()
				s.Send(ctx, &got)
				if got.Error != want || got.Message != cause.Error() {
					t.Errorf("class = %v (%s), want %v (%v)", got.Error, got.Message, want, cause)
				}
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("it took %v, want it to end with the context", took)
				}
				if where.after != 0 {
					return
				}
				if got := send(t, s, 1); got.Error != outcome.NoError {
					t.Errorf("the next slot = %v (%s), want a response", got.Error, got.Message)
				}
			})
		}
	}
}

// greeter is a server that speaks first, as those of mail and shells do.
func greeter(t *testing.T, greeting string) (address string) {
	return serveEach(t, func(c net.Conn) {
		_, _ = io.WriteString(c, greeting)
		_, _ = io.Copy(io.Discard, c)
	})
}

func TestServersThatSpeakFirst(t *testing.T) { onEach(t, testServersThatSpeakFirst) }

func testServersThatSpeakFirst(t *testing.T, e engine) {
	t.Parallel()
	for _, greeting := range []string{"220 mail.example ESMTP\r\n", "SSH-2.0-OpenSSH_9.9\r\n"} {
		t.Run(greeting, func(t *testing.T) {
			t.Parallel()
			p := planFor("http://" + greeter(t, greeting) + "/")
			p.Requests[0].Timeout = 2 * time.Second
			s := e.newSender(t, p, nil)
			for slot := range int64(50) {
				if got := send(t, s, slot); got.Error != outcome.ProtoMalformed || got.Message == "" {
					t.Fatalf("slot %d = %v (%s), want PROTO_MALFORMED", slot, got.Error, got.Message)
				}
			}
		})
	}
}
