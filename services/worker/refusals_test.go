package worker_test

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/worker"
)

// Ten refusals end a call, whatever its load: no slot is begun any more, those in flight finish, the others are not sent for that reason,
// and the account is whole. The log has a line for each of the ten, and one for the call.
func TestTenRefusalsEndACall(t *testing.T) {
	t.Parallel()
	const slots, concurrency, blocked = 2000, 5, fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED
	timed := openLoop(10_000)
	timed.Duration = durationpb.New(200e6)
	for _, tt := range []struct {
		name     string
		load     *fanoutv1.Load
		inFlight int64 // beside the ten, at most
	}{
		{"closed loop", closedLoop(slots, concurrency), concurrency - 1},
		{"open loop", timed, slots},
		{"all at once", &fanoutv1.Load{Requests: slots}, slots},
	} {
		for _, engine := range engines {
			t.Run(tt.name+" "+engine.String(), func(t *testing.T) {
				t.Parallel()
				o := oracle(t)
				var log logtest.Log
				_, client := start(t, worker.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
				p := planOf(tt.load, o.URL()+"/ok", "http://user:canary@10.0.0.1:8080/canary?canary")
				p.Http.Engine = engine
				p.Requests[0].Headers = []*fanoutv1.Header{{Name: "X-Secret", Value: "canary"}}
				a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
				a.check(t, slots)
				if message := a.end.GetBlockedMessage(); a.end.GetReason() != fanoutv1.FinishReason_FINISH_REASON_BLOCKED || !strings.HasPrefix(message, "10.0.0.1 is not allowed by this worker at port 8080: --allow-target allows only localhost") {
					t.Errorf("finished = %v, %q, want it blocked, with the rule", a.end.GetReason(), message)
				}
				refused := int64(0)
				for _, o := range a.outcomes {
					if o.GetError() == blocked {
						refused++
					}
				}
				if refused < 10 || refused > 10+tt.inFlight {
					t.Errorf("%d slots were refused, want 10, and those in flight then", refused)
				}
				counts := a.finished.GetCounts()
				rest := a.finished.GetNotSent()
				if n := counts.GetNotSent(); n > 0 && (len(rest) != 1 || rest[0].GetReason() != fanoutv1.NotSentReason_NOT_SENT_REASON_POLICY_BLOCKED || rest[0].GetCount() != n) {
					t.Errorf("not sent = %v, want all %d POLICY_BLOCKED", rest, n)
				}
				if seen := o.Ledger().Total(); seen != counts.GetResponses() || counts.GetErrors() != refused {
					t.Errorf("the target saw %d requests, counts %v, want the responses, and no errors but the %d refusals", seen, counts, refused)
				}
				text := log.String()
				if n := strings.Count(text, "target refused"); n != 10 {
					t.Errorf("the log has %d refusals, want ten:\n%s", n, text)
				}
				for _, want := range []string{
					"a call is over", "targets=" + o.Addr() + ",10.0.0.1:8080", "addresses=" + o.Addr(), "planned=2000",
					fmt.Sprintf("responses=%d", counts.GetResponses()), fmt.Sprintf("refused=%d", refused), "run_id=" + a.started.GetRunId(), "host=10.0.0.1", "address=10.0.0.1", "peer=",
				} {
					if !strings.Contains(text, want) {
						t.Errorf("the log has no %q:\n%s", want, text)
					}
				}
				if strings.Contains(text, "canary") {
					t.Errorf("the log has what only the target is to have:\n%s", text)
				}
			})
		}
	}
}

// Nine refusals do not end a call, and neither does a redirect that leads nowhere; those to refused targets do.
func TestWhatCountsAsARefusal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		path    string // beside /ok
		slots   int64
		blocked bool
	}{
		{"nine", "http://10.0.0.1/", 18, false},
		{"ten", "http://10.0.0.1/", 20, true},
		{"redirects to where nobody may", "/redirect-to?url=http://10.0.0.1/", 100, true},
		{"redirects of another scheme", "/redirect-to?url=ftp://10.0.0.1/", 100, false},
		{"resets", "/reset", 100, false},
	} {
		for _, engine := range engines {
			t.Run(tt.name+" "+engine.String(), func(t *testing.T) {
				t.Parallel()
				o := oracle(t)
				_, client := start(t, worker.Config{})
				url := tt.path
				if strings.HasPrefix(url, "/") {
					url = o.URL() + url
				}
				p := planOf(closedLoop(tt.slots, 1), o.URL()+"/ok", url)
				p.Http.Engine, p.Http.MaxRedirects = engine, 3
				a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
				a.check(t, tt.slots)
				if got := a.end.GetReason() == fanoutv1.FinishReason_FINISH_REASON_BLOCKED; got != tt.blocked || got != (a.end.GetBlockedMessage() != "") {
					t.Errorf("finished = %v, %q, want it blocked: %v", a.end.GetReason(), a.end.GetBlockedMessage(), tt.blocked)
				}
			})
		}
	}
}

// A shard with a lease ends like a call does: what it was granted and had not begun is not sent for that reason, and its account is whole.
func TestTenRefusalsEndAShard(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	h := startLeaseholder(t, worker.Config{}, planOf(closedLoop(1000, 2), o.URL()+"/ok", "http://10.0.0.1/"))
	a := h.open()
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 500)})
	f := a.end(t)
	wantEnd(t, f, fanoutv1.FinishReason_FINISH_REASON_BLOCKED, 500)
	wantNotSent(t, f, fanoutv1.NotSentReason_NOT_SENT_REASON_POLICY_BLOCKED)
	if !strings.Contains(f.GetBlockedMessage(), "--allow-target allows only localhost") {
		t.Errorf("finished says %q, want the rule", f.GetBlockedMessage())
	}
	if got := h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 500, Grants: consecutive(500, 500)}); got.GetState() != fanoutv1.LeaseState_LEASE_STATE_ENDED || got.GetGrantedCount() != 500 {
		t.Errorf("RenewLease() after the end = %v, want it ended, with no more slots", got)
	}
}

// A worker that serves cannot be made to call itself, at its own port, at that of its health or at that of its metrics.
func TestNoCallToTheWorkerItself(t *testing.T) {
	t.Parallel()
	health, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m, metricsAddress := newMetrics(t)
	client, address := serve(t, worker.Config{Health: health, Metrics: m})
	for _, own := range []string{address, health.Addr().String(), metricsAddress} {
		port := strings.TrimPrefix(own, "127.0.0.1:")
		for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(nil, "http://"+host+":"+port+"/")})
			a.check(t, 1)
			if got := a.outcomes[0]; got.GetError() != fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED || !strings.Contains(got.GetErrorMessage(), "the worker listens there itself") {
				t.Errorf("a call to %s at its own port %s = %v (%s), want it refused", host, port, got.GetError(), got.GetErrorMessage())
			}
		}
	}
}
