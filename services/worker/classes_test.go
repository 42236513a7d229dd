package worker_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

// secureOracle is an oracle that speaks TLS in its way, and its authority.
func secureOracle(t *testing.T, accept target.AcceptAction, hosts ...string) (o *target.Oracle, caPEM string) {
	t.Helper()
	return startSecure(t, func(c *target.Certificates) target.OracleConfig {
		return target.OracleConfig{TLS: c.Config, OnAccept: func(int64) target.AcceptAction { return accept }}
	}, hosts...)
}

func startSecure(t *testing.T, config func(*target.Certificates) target.OracleConfig, hosts ...string) (o *target.Oracle, caPEM string) {
	t.Helper()
	certificates, err := target.NewCertificates(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	o, err = target.StartOracle(config(certificates))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o, string(certificates.CAPEM)
}

// One call over targets that each fail in a way of their own has exactly as many slots in each class as were sent there, and none
// in OTHER; what is delivered, by what the classes say, is what the targets saw.
func TestEveryClassIsCountedExactly(t *testing.T) {
	t.Parallel()
	for _, engine := range []fanoutv1.Engine{fanoutv1.Engine_ENGINE_HTTP1, fanoutv1.Engine_ENGINE_STD} {
		t.Run(engine.String(), func(t *testing.T) {
			t.Parallel()
			testEveryClass(t, engine)
		})
	}
}

func testEveryClass(t *testing.T, engine fanoutv1.Engine) {
	// The guard ends a call at ten refusals: those that it refuses have a smaller weight.
	const blocks, weight, each = 4, 3, 12
	o := oracle(t)
	good, authority := secureOracle(t, target.AcceptServe)
	elsewhere, elsewhereAuthority := secureOracle(t, target.AcceptServe, "elsewhere.example")
	stranger, _ := secureOracle(t, target.AcceptServe)
	plain, _ := secureOracle(t, target.AcceptPlainText)
	silent, _ := secureOracle(t, target.AcceptHold)
	alert, alertAuthority := startSecure(t, func(c *target.Certificates) target.OracleConfig { return target.OracleConfig{TLS: c.ServeAlert()} })
	expired, expiredAuthority := startSecure(t, func(c *target.Certificates) target.OracleConfig { return target.OracleConfig{TLS: c.Expired()} })
	closing, err := target.StartOracle(target.OracleConfig{OnAccept: func(int64) target.AcceptAction { return target.AcceptClose }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closing.Close() })
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = nobody.Close()

	p := planOf(nil)
	want := map[fanoutv1.ErrorClass]int64{}
	delivered, slots := int64(0), int64(0) // by what is sent there
	add := func(url string, class fanoutv1.ErrorClass, seen bool) {
		r := &fanoutv1.Request{Url: url, Weight: weight}
		if strings.HasPrefix(class.String(), "ERROR_CLASS_TIMEOUT_") {
			r.Timeout = durationpb.New(3 * time.Second) // enough to be written on a busy machine; for the others it is longer still
		}
		n := int64(each)
		if class == fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED || class == fanoutv1.ErrorClass_ERROR_CLASS_POLICY_REDIRECT {
			r.Weight, n = 1, blocks
		}
		p.Requests = append(p.Requests, r)
		slots += n
		want[class] += n
		if seen {
			delivered += n
		}
	}
	add(o.URL()+"/ok", 0, true)
	add(o.URL()+"/status/503", 0, true)
	add(good.URL()+"/ok", 0, true)
	add(o.URL()+"/reset", fanoutv1.ErrorClass_ERROR_CLASS_CONN_RESET, true)
	add(o.URL()+"/reset-in-head", fanoutv1.ErrorClass_ERROR_CLASS_CONN_RESET, true)
	add(o.URL()+"/eof", fanoutv1.ErrorClass_ERROR_CLASS_CONN_EOF, true)
	add(closing.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_CONN_EOF, false)
	add(o.URL()+"/reset-after-head", fanoutv1.ErrorClass_ERROR_CLASS_BODY_RESET, true)
	add(o.URL()+"/reset-in-body", fanoutv1.ErrorClass_ERROR_CLASS_BODY_RESET, true)
	add(o.URL()+"/truncated", fanoutv1.ErrorClass_ERROR_CLASS_BODY_TRUNCATED, true)
	add(o.URL()+"/truncated-chunk", fanoutv1.ErrorClass_ERROR_CLASS_BODY_TRUNCATED, true)
	add(o.URL()+"/bad-chunk", fanoutv1.ErrorClass_ERROR_CLASS_BODY_CHUNK, true)
	add(o.URL()+"/garbage", fanoutv1.ErrorClass_ERROR_CLASS_PROTO_MALFORMED, true)
	add(o.URL()+"/garbage-status", fanoutv1.ErrorClass_ERROR_CLASS_PROTO_MALFORMED, true)
	add(o.URL()+"/huge-head", fanoutv1.ErrorClass_ERROR_CLASS_PROTO_HEAD_TOO_LARGE, true)
	add(o.URL()+"/1xx-flood", fanoutv1.ErrorClass_ERROR_CLASS_PROTO_HEAD_TOO_LARGE, true)
	add(o.URL()+"/stall", fanoutv1.ErrorClass_ERROR_CLASS_TIMEOUT_FIRST_BYTE, true)
	add(o.URL()+"/stall-in-head", fanoutv1.ErrorClass_ERROR_CLASS_TIMEOUT_BODY, true)
	add(o.URL()+"/stall-in-body", fanoutv1.ErrorClass_ERROR_CLASS_TIMEOUT_BODY, true)
	add(o.URL()+"/drip?interval=100ms", fanoutv1.ErrorClass_ERROR_CLASS_TIMEOUT_BODY, true)
	add(o.URL()+"/redirect-metadata", fanoutv1.ErrorClass_ERROR_CLASS_POLICY_REDIRECT, true)
	add("http://169.254.169.254/", fanoutv1.ErrorClass_ERROR_CLASS_POLICY_BLOCKED, false)
	add("http://"+nobody.Addr().String()+"/", fanoutv1.ErrorClass_ERROR_CLASS_DIAL_REFUSED, false)
	add(stranger.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_VERIFY, false)
	add(expired.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_VERIFY, false)
	add(elsewhere.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_HOSTNAME, false)
	add(plain.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_NOT_TLS, false)
	add(alert.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_ALERT, false)
	add(silent.URL()+"/ok", fanoutv1.ErrorClass_ERROR_CLASS_TLS_TIMEOUT, false)

	p.Load = closedLoop(slots, 30)
	p.Http.Engine, p.Http.MaxRedirects = engine, 3
	p.Http.RequestsPerConnection = 1 // on one that has carried a request many of these would be CONN_CLOSED_IDLE
	p.Http.TlsTimeout = durationpb.New(3 * time.Second)
	p.Http.Tls = &fanoutv1.TlsOptions{CaPem: authority + elsewhereAuthority + alertAuthority + expiredAuthority}
	_, client := start(t, worker.Config{})
	a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
	a.check(t, p.Load.Requests)

	got := map[fanoutv1.ErrorClass]int64{0: a.finished.GetCounts().GetResponses()}
	for _, e := range a.finished.GetErrors() {
		got[e.GetClass()] = e.GetCount()
	}
	for class := range fanoutv1.ErrorClass_name {
		if c := fanoutv1.ErrorClass(class); got[c] != want[c] {
			t.Errorf("%d slots are %v, want %d", got[c], c, want[c])
		}
	}
	for _, outcome := range a.outcomes {
		if want[outcome.GetError()] == 0 {
			t.Errorf("slot %d to %s = %v: %s", outcome.GetSlot(), p.Requests[outcome.GetRequest()].GetUrl(), outcome.GetError(), outcome.GetErrorMessage())
		}
	}
	seen := int64(0)
	for _, o := range []*target.Oracle{o, good, elsewhere, stranger, plain, silent, alert, expired, closing} {
		seen += o.Ledger().Total()
		if key, n := o.Ledger().MaxPerSlot(); n > 1 {
			t.Errorf("a target saw %s %d times, want once", key, n)
		}
	}
	if seen != delivered {
		t.Errorf("the targets saw %d requests, want %d", seen, delivered)
	}
}
