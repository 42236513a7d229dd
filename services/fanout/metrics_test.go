package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
)

// freeAddress is one of a port that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := grpcserve.ListenMetrics("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// Services with certificates show their figures to who has none, at a port of their own and only if they are told to; after a run they
// agree with it.
func TestMetricsListen(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	certs := newTrialCerts(t)
	ofWorker, ofCoordinator := freeAddress(t), freeAddress(t)
	w := start(t, append([]string{"worker", "--metrics-listen", ofWorker}, certs.as("worker")...)...)
	c := start(t, append([]string{"coordinator", "--workers", w.address, "--config", tempFile(t, "metrics-listen: "+ofCoordinator)}, certs.as("coordinator")...)...)
	silent := start(t, "worker")

	args := append([]string{"run", "-n", "30", "-c", "3", "--coordinator", c.address, o.URL() + "/ok"}, certs.as("client")...)
	if got := command(t, args...); got.code != exitPassed {
		t.Fatalf("fanout run = exit %d, %q, want 0", got.code, got.err)
	}
	build := `fanout_build_info{version="` + version + `"}`
	metricstest.Scrape(t, ofWorker).Want(t, metricstest.Figures{
		build: 1, `fanout_worker_responses_total{status_class="2xx"}`: 30, "fanout_worker_leases": 0,
		`grpc_server_started_total{grpc_method="FanOut",grpc_service="fanout.v1.WorkerService",grpc_type="server_stream"}`: 1,
	})
	metricstest.Scrape(t, ofCoordinator).Want(t, metricstest.Figures{
		build: 1, `fanout_coordinator_runs_ended_total{verdict="PASSED"}`: 1, "fanout_coordinator_runs": 0,
		`grpc_server_handled_total{grpc_code="OK",grpc_method="CreateRun",grpc_service="fanout.v1.CoordinatorService",grpc_type="unary"}`: 1,
	})
	for _, address := range []string{w.address, c.address, silent.address} {
		response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + address + "/metrics")
		if err == nil {
			_ = response.Body.Close()
			t.Errorf("GET /metrics at the port for calls = %s, want no HTTP", response.Status)
		}
	}
	got := command(t, append([]string{"call", "--worker", w.address, "http://" + ofWorker + "/metrics"}, certs.as("client")...)...)
	if got.code != exitFailed || !strings.Contains(got.out, "POLICY_BLOCKED") {
		t.Errorf("fanout call to the worker's own metrics = exit %d, %q, %q, want 99 and POLICY_BLOCKED", got.code, got.out, got.err)
	}
	for service, args := range map[string][]string{"worker": {"worker"}, "coordinator": {"coordinator", "--workers", "127.0.0.1:1"}} {
		args = append(append(args, "--metrics-listen", ofWorker, "--listen", "127.0.0.1:0"), storeFlag(service)...)
		want := "--metrics-listen " + ofWorker + ": the port is taken by another process; stop it, or choose another port"
		if got := command(t, args...); got.code != exitFailure || !strings.Contains(got.err, want) {
			t.Errorf("fanout %s with a metrics port that is taken = exit %d, %q, want 1 and %q", service, got.code, got.err, want)
		}
	}
	c.stop()
	w.stop()
	for _, address := range []string{ofWorker, ofCoordinator} {
		l, err := grpcserve.ListenMetrics(address)
		if err != nil {
			t.Fatalf("the port for metrics is not closed: %v", err)
		}
		_ = l.Close()
	}
}
