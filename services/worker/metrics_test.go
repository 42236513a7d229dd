package worker_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
	"github.com/fanout-load/fanout/services/worker"
)

func newMetrics(t *testing.T) (m *metrics.Endpoint, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return metrics.New(l, "1.2.3"), l.Addr().String()
}

// scrapeUntil is what is shown when a series has come to a value.
func scrapeUntil(t *testing.T, address, series string, want float64) metricstest.Figures {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		got := metricstest.Scrape(t, address)
		if got[series] == want {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays %v, want %v", series, got[series], want)
		}
	}
}

// A worker shows what became of slots, by closed lists; and nothing that a caller or a target wrote makes a series.
func TestMetricsOfCalls(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	m, address := newMetrics(t)
	client, _ := serve(t, worker.Config{Metrics: m})
	before := metricstest.Scrape(t, address)
	before.Want(t, metricstest.Figures{
		"fanout_worker_calls": 0, "fanout_worker_leases": 0, "fanout_worker_senders": 0,
		`fanout_worker_responses_total{status_class="2xx"}`: 0, `fanout_worker_errors_total{error_class="PROTO_MALFORMED"}`: 0,
	})
	for i := range 3 {
		p := planOf(&fanoutv1.Load{Requests: 12}, o.URL()+fmt.Sprintf("/ok?canary=%d", i), o.URL()+"/status/404", o.URL()+"/status/503", o.URL()+"/garbage",
			o.URL()+"/redirect-loop", "http://10.0.0.1/canary")
		for _, r := range p.Requests {
			r.Group = fmt.Sprintf("canary %d", i)
		}
		a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
		a.check(t, 12)
	}
	refused := planOf(nil, "canary")
	if a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: refused}); a.err == nil {
		t.Error("a plan without a URL was carried out")
	}
	handled := `grpc_server_handled_total{grpc_code="%s",grpc_method="FanOut",grpc_service="fanout.v1.WorkerService",grpc_type="server_stream"}`
	want := metricstest.Figures{
		`fanout_worker_responses_total{status_class="2xx"}`: 6, `fanout_worker_responses_total{status_class="3xx"}`: 6,
		`fanout_worker_responses_total{status_class="4xx"}`: 6, `fanout_worker_responses_total{status_class="5xx"}`: 6,
		`fanout_worker_errors_total{error_class="PROTO_MALFORMED"}`: 6, `fanout_worker_errors_total{error_class="POLICY_BLOCKED"}`: 6,
		`fanout_worker_not_sent_total{reason="LATE"}`: 0, "fanout_worker_calls": 0, "fanout_worker_senders": 0,
		fmt.Sprintf(handled, "OK"): 3, fmt.Sprintf(handled, "InvalidArgument"): 1,
	}
	after := scrapeUntil(t, address, fmt.Sprintf(handled, "OK"), 3) // whose ends the callers saw before they were counted
	after.Want(t, want)
	after.WantSameSeries(t, before)
	for name := range after {
		if strings.Contains(name, "canary") || strings.Contains(name, "127.0.0.1") {
			t.Errorf("the series %s has what a caller wrote", name)
		}
	}
}

// A worker counts the slots of a call while it goes on.
func TestMetricsOfACallThatGoesOn(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	m, address := newMetrics(t)
	client, _ := serve(t, worker.Config{Metrics: m})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := planOf(&fanoutv1.Load{Requests: 6}, o.URL()+"/ok", o.URL()+"/status/503", o.URL()+"/delay/10m")
	p.Http = &fanoutv1.HttpOptions{Timeout: durationpb.New(10 * time.Minute)}
	stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	scrapeUntil(t, address, `fanout_worker_responses_total{status_class="2xx"}`, 2)
	scrapeUntil(t, address, `fanout_worker_responses_total{status_class="5xx"}`, 2).Want(t, metricstest.Figures{
		"fanout_worker_calls": 1, `fanout_worker_errors_total{error_class="CANCELLED"}`: 0,
	})
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	scrapeUntil(t, address, "fanout_worker_calls", 0).Want(t, metricstest.Figures{
		`fanout_worker_responses_total{status_class="2xx"}`: 2, `fanout_worker_responses_total{status_class="5xx"}`: 2,
	})
}

// A worker shows what goes on, whoever hears of it, and counts a shard once, whoever heard of its end.
func TestMetricsOfLeases(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	m, address := newMetrics(t)
	h := startLeaseholder(t, worker.Config{Metrics: m}, planOf(closedLoop(100, 2), o.URL()+"/delay/5ms"))
	defer m.Serve(grpc.NewServer())()
	a := h.open()
	metricstest.Scrape(t, address).Want(t, metricstest.Figures{
		"fanout_worker_leases": 1, "fanout_worker_calls": 0, "fanout_worker_senders": 2, "fanout_worker_senders_max": float64(worker.DefaultCaps().Senders),
	})
	h.renew(&fanoutv1.RenewLeaseRequest{StartClockNanos: h.now(), Grants: consecutive(0, 20)})
	scrapeUntil(t, address, `fanout_worker_responses_total{status_class="2xx"}`, 20)
	a.cancel()
	<-a.done
	h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 20, Grants: consecutive(20, 20)})
	scrapeUntil(t, address, `fanout_worker_responses_total{status_class="2xx"}`, 40)
	h.renew(&fanoutv1.RenewLeaseRequest{GrantedBefore: 40, Grants: consecutive(40, 60), LastGrant: true})
	h.attach().end(t)
	scrapeUntil(t, address, "fanout_worker_senders", 0) // its room is given back after its end
	h.attach().end(t)
	metricstest.Scrape(t, address).Want(t, metricstest.Figures{
		"fanout_worker_leases": 0, `fanout_worker_responses_total{status_class="2xx"}`: 100, `fanout_worker_not_sent_total{reason="LEASE_LOST"}`: 0,
	})
}
