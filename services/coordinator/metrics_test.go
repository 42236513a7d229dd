package coordinator_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/metrics/metricstest"
)

// A coordinator shows the runs that go on, who watches them, and how those have ended that did; no run makes a series.
func TestMetricsOfRuns(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := metrics.New(l, "1.2.3")
	s := startWith(t, coordinator.Config{Metrics: m}, newWorkers(t, 2)...)
	defer m.Serve(grpc.NewServer())()
	scrape := func() metricstest.Figures { return metricstest.Scrape(t, l.Addr().String()) }
	const passed, failed, cancelled = `fanout_coordinator_runs_ended_total{verdict="PASSED"}`, `fanout_coordinator_runs_ended_total{verdict="FAILED"}`, `fanout_coordinator_runs_ended_total{verdict="CANCELLED"}`
	before := scrape()
	before.Want(t, metricstest.Figures{
		"fanout_coordinator_runs": 0, "fanout_coordinator_watchers": 0, passed: 0, failed: 0, cancelled: 0, `fanout_coordinator_runs_ended_total{verdict="INCOMPLETE"}`: 0,
	})
	wantVerdict(t, s.carryOut(t, closedLoop(o.URL()+"/ok", 20, 4)), fanoutv1.Verdict_VERDICT_PASSED, "")
	scrape().Want(t, metricstest.Figures{"fanout_coordinator_runs": 0, passed: 1})
	wantVerdict(t, s.carryOut(t, closedLoop(o.URL()+"/eof", 4, 4)), fanoutv1.Verdict_VERDICT_FAILED, "no response")

	going := s.create(t, closedLoop(o.URL()+"/delay/5ms", 0, 4))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream, err := s.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: going.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	scrape().Want(t, metricstest.Figures{"fanout_coordinator_runs": 1, "fanout_coordinator_watchers": 1})
	leave()
	eventually(t, "the watcher is gone", func() bool { return scrape()["fanout_coordinator_watchers"] == 0 })
	if _, err := s.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: going.GetId()}); err != nil {
		t.Fatal(err)
	}
	s.watch(t, going.GetId(), fanoutv1.RunView_RUN_VIEW_BASIC)
	after := scrape()
	after.Want(t, metricstest.Figures{"fanout_coordinator_runs": 0, passed: 1, failed: 1, cancelled: 1})
	after.WantSameSeries(t, before)
}
