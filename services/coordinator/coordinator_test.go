package coordinator_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve serves over memory and returns how to dial it.
func serve(t *testing.T, register func(grpc.ServiceRegistrar)) grpc.DialOption {
	t.Helper()
	server := grpcserve.New(slog.New(slog.DiscardHandler))
	register(server)
	l := bufconn.Listen(1 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return grpcdial.Over(l.DialContext)
}

// start starts a coordinator with these workers, at w0:1, w1:1, …
func start(t *testing.T, workers ...fanoutv1.WorkerServiceServer) fanoutv1.CoordinatorServiceClient {
	t.Helper()
	dials, list := map[string]grpc.DialOption{}, []string{}
	for i, w := range workers {
		address := fmt.Sprintf("w%d:1", i)
		list = append(list, address)
		if w != nil {
			dials[address] = serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, w) })
		}
	}
	found, err := coordinator.ParseWorkers(strings.Join(list, ","))
	if err != nil {
		t.Fatal(err)
	}
	c := coordinator.New(coordinator.Config{Workers: found, Dial: func(address string) (*grpc.ClientConn, error) {
		if dials[address] == nil {
			return nil, errors.New("nobody is at " + address)
		}
		return grpcdial.New(address, dials[address])
	}})
	conn, err := grpcdial.New("coordinator", serve(t, c.Register))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = conn.Close()
	})
	return fanoutv1.NewCoordinatorServiceClient(conn)
}

func newWorker() *worker.Worker { return worker.New(worker.Config{}) }

// brokenWorker ends its streams after the first batch, or on one that was not asked for anything of it.
type brokenWorker struct {
	*worker.Worker
	after int // messages
}

type brokenStream struct {
	grpc.ServerStreamingServer[fanoutv1.FanOutResponse]
	left int
}

func (s *brokenStream) Send(m *fanoutv1.FanOutResponse) error {
	if s.left--; s.left < 0 {
		return status.Error(codes.Unavailable, "broken")
	}
	return s.ServerStreamingServer.Send(m)
}

func (w *brokenWorker) FanOut(r *fanoutv1.FanOutRequest, s grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	return w.Worker.FanOut(r, &brokenStream{s, w.after})
}

// silentWorker never admits anything.
type silentWorker struct{ *worker.Worker }

func (w silentWorker) FanOut(_ *fanoutv1.FanOutRequest, s grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	<-s.Context().Done()
	return s.Context().Err()
}

// lyingWorker has one response more in its tallies than it sent.
type lyingWorker struct{ *worker.Worker }

type lyingStream struct {
	grpc.ServerStreamingServer[fanoutv1.FanOutResponse]
}

func (s *lyingStream) Send(m *fanoutv1.FanOutResponse) error {
	if f := m.GetFinished(); f != nil {
		f.Tally.ResponsesByStatus[200]++
	}
	return s.ServerStreamingServer.Send(m)
}

func (w lyingWorker) FanOut(r *fanoutv1.FanOutRequest, s grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	return w.Worker.FanOut(r, &lyingStream{s})
}

func oracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func planOf(url string, requests, concurrency int64) *fanoutv1.Plan {
	return &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: url, Group: "g"}},
		Load:     &fanoutv1.Load{Requests: requests, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: concurrency}}},
		Http:     &fanoutv1.HttpOptions{SlotHeader: true},
	}
}

func create(t *testing.T, c fanoutv1.CoordinatorServiceClient, p *fanoutv1.Plan) string {
	t.Helper()
	response, err := c.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	return response.GetRun().GetId()
}

// watch follows a run to its end, and checks that every snapshot is closed and none goes back.
func watch(t *testing.T, c fanoutv1.CoordinatorServiceClient, id string) *fanoutv1.Run {
	t.Helper()
	stream, err := c.WatchRun(t.Context(), &fanoutv1.WatchRunRequest{RunId: id})
	if err != nil {
		t.Fatal(err)
	}
	var last *fanoutv1.Run
	for {
		message, err := stream.Recv()
		if err != nil {
			break
		}
		r := message.GetRun()
		n, before := r.GetTally().GetCounts(), last.GetTally().GetCounts()
		if n.GetPlanned() != n.GetPending()+n.GetInFlight()+n.GetResponses()+n.GetErrors()+n.GetNotSent()+n.GetUnknown() {
			t.Errorf("a snapshot's counts do not add up: %v", n)
		}
		if n.GetResponses() < before.GetResponses() || n.GetErrors() < before.GetErrors() || r.GetState() < last.GetState() {
			t.Errorf("a snapshot went back: %v %v after %v %v", r.GetState(), n, last.GetState(), before)
		}
		last = r
	}
	if last.GetState() != fanoutv1.State_STATE_ENDED || last.GetEndTime() == nil {
		t.Fatalf("the watch ended with %v", last)
	}
	return last
}

func TestThreeWorkersAreExact(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	c := start(t, newWorker(), newWorker(), newWorker())
	id := create(t, c, planOf(o.URL()+"/ok", 1000, 10))
	r := watch(t, c, id)
	if r.GetVerdict() != fanoutv1.Verdict_VERDICT_PASSED || r.GetTally().GetCounts().GetResponses() != 1000 || len(r.GetWorkers()) != 3 {
		t.Errorf("run = %v %v, want 1,000 responses from 3 workers", r.GetVerdict(), r.GetTally().GetCounts())
	}
	if g := r.GetTally().GetGroups()["g"]; g.GetCounts().GetResponses() != 1000 {
		t.Errorf("group = %v, want 1,000 responses", g)
	}
	if key, n := o.Ledger().MaxPerSlot(); o.Ledger().Total() != 1000 || n != 1 {
		t.Errorf("the target saw %d requests, %s %d times", o.Ledger().Total(), key, n)
	}
	basic, err := c.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: id})
	if err != nil || len(basic.GetRun().GetTally().GetServiceTime().GetBuckets()) != 0 || basic.GetRun().GetTally().GetServiceTime().GetCount() != 1000 {
		t.Errorf("BASIC = %v, %v, want figures without buckets", basic.GetRun().GetTally().GetServiceTime(), err)
	}
	full, err := c.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: id, View: fanoutv1.RunView_RUN_VIEW_FULL})
	if err != nil || len(full.GetRun().GetTally().GetServiceTime().GetBuckets()) == 0 {
		t.Errorf("FULL = %v, want buckets", err)
	}
	intervals, err := c.ListRunIntervals(t.Context(), &fanoutv1.ListRunIntervalsRequest{RunId: id})
	sum := int64(0)
	for _, i := range intervals.GetIntervals() {
		sum += i.GetTally().GetCounts().GetResponses()
	}
	if err != nil || sum != 1000 {
		t.Errorf("the intervals have %d responses, %v, want 1,000", sum, err)
	}
}

func TestRunsThatDoNotPass(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		workers []fanoutv1.WorkerServiceServer
		script  string
		verdict fanoutv1.Verdict
		reason  string
		started bool
	}{
		{"nobody is there", []fanoutv1.WorkerServiceServer{newWorker(), nil}, "/ok", fanoutv1.Verdict_VERDICT_FAILED, "w1:1", false},
		{"one never answers", []fanoutv1.WorkerServiceServer{newWorker(), silentWorker{newWorker()}}, "/ok", fanoutv1.Verdict_VERDICT_FAILED, "w1:1", false},
		{"one breaks at the start", []fanoutv1.WorkerServiceServer{newWorker(), &brokenWorker{newWorker(), 0}}, "/ok", fanoutv1.Verdict_VERDICT_FAILED, "w1:1", false},
		{"one breaks", []fanoutv1.WorkerServiceServer{newWorker(), &brokenWorker{newWorker(), 2}}, "/delay/5ms", fanoutv1.Verdict_VERDICT_INCOMPLETE, "w1:1", true},
		{"one lies", []fanoutv1.WorkerServiceServer{newWorker(), lyingWorker{newWorker()}}, "/ok", fanoutv1.Verdict_VERDICT_INCOMPLETE, "does not add up", true},
		{"no response", []fanoutv1.WorkerServiceServer{newWorker()}, "/reset", fanoutv1.Verdict_VERDICT_FAILED, "no response", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			c := start(t, tt.workers...)
			r := watch(t, c, create(t, c, planOf(o.URL()+tt.script, 200, 4)))
			n := r.GetTally().GetCounts()
			if r.GetVerdict() != tt.verdict || !strings.Contains(r.GetVerdictReason(), tt.reason) || (r.GetStartTime() != nil) != tt.started {
				t.Errorf("run = %v, %q, start %v", r.GetVerdict(), r.GetVerdictReason(), r.GetStartTime())
			}
			if n.GetPlanned() != 200 {
				t.Errorf("counts = %v, want 200 planned", n)
			}
			if !tt.started && (o.Ledger().Total() != 0 || n.GetNotSent() != 200) {
				t.Errorf("a run that did not start sent %d, counts %v", o.Ledger().Total(), n)
			}
			if tt.name == "one breaks" && (n.GetUnknown() == 0 || r.GetWorkers()[0].GetTally().GetCounts().GetResponses() != 100) {
				t.Errorf("counts = %v, want unknown slots, and all of the other worker's answered", n)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	c := start(t, newWorker(), newWorker())
	id := create(t, c, planOf(o.URL()+"/delay/20ms", 100_000, 4))
	for o.Ledger().Total() < 20 {
		time.Sleep(5 * time.Millisecond)
	}
	begun := time.Now()
	for range 2 {
		if _, err := c.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: id}); err != nil {
			t.Fatal(err)
		}
	}
	r := watch(t, c, id)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the run ended %v after the cancel", took)
	}
	n := r.GetTally().GetCounts()
	if r.GetVerdict() != fanoutv1.Verdict_VERDICT_CANCELLED || n.GetUnknown() != 0 || n.GetPlanned() != 100_000 ||
		n.GetResponses()+n.GetErrors() != o.Ledger().Total() {
		t.Errorf("run = %v, %v, and the target saw %d", r.GetVerdict(), n, o.Ledger().Total())
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	c := start(t, newWorker())
	request := &fanoutv1.CreateRunRequest{RequestId: "once", Plan: planOf(o.URL()+"/ok", 10, 1)}
	first, err := c.CreateRun(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.CreateRun(t.Context(), request)
	if err != nil || again.GetRun().GetId() != first.GetRun().GetId() {
		t.Errorf("the same request = %v, %v, want the same run", again.GetRun().GetId(), err)
	}
	request.Plan = planOf(o.URL()+"/ok", 11, 1)
	if _, err := c.CreateRun(t.Context(), request); status.Code(err) != codes.AlreadyExists {
		t.Errorf("another plan with the same request_id = %v, want ALREADY_EXISTS", err)
	}
	watch(t, c, first.GetRun().GetId())
	if n := o.Ledger().Total(); n != 10 {
		t.Errorf("the target saw %d requests, want 10", n)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	c := start(t, newWorker(), nil)
	p := &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: o.URL() + "/ok"}}}
	var ids []string
	for range 5 {
		id := create(t, c, p)
		watch(t, c, id)
		ids = append([]string{id}, ids...)
	}
	var listed []string
	for token := ""; ; {
		page, err := c.ListRuns(t.Context(), &fanoutv1.ListRunsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.GetRuns() {
			listed = append(listed, r.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(listed, " ") != strings.Join(ids, " ") {
		t.Errorf("ListRuns = %v, want %v", listed, ids)
	}
	for _, bad := range []*fanoutv1.ListRunsRequest{{PageSize: -1}, {PageToken: "x"}, {PageToken: "intervals-1"}} {
		if _, err := c.ListRuns(t.Context(), bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("ListRuns(%v) = %v, want INVALID_ARGUMENT", bad, err)
		}
	}
	for method, err := range map[string]error{
		"GetRun":           second(c.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: "none"})),
		"CancelRun":        second(c.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: "none"})),
		"ListRunIntervals": second(c.ListRunIntervals(t.Context(), &fanoutv1.ListRunIntervalsRequest{RunId: "none"})),
	} {
		if status.Code(err) != codes.NotFound {
			t.Errorf("%s of none = %v, want NOT_FOUND", method, err)
		}
	}
	if _, err := c.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: planOf("ftp://x", -1, 0)}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a bad plan = %v, want INVALID_ARGUMENT", err)
	}
	workers, err := c.ListWorkers(t.Context(), &fanoutv1.ListWorkersRequest{})
	if err != nil || len(workers.GetWorkers()) != 2 || workers.GetWorkers()[0].GetWorker() == nil || workers.GetWorkers()[1].GetFailure() == nil {
		t.Errorf("ListWorkers = %v, %v, want one that answers and one that does not", workers, err)
	}
}

func second[T any](_ T, err error) error { return err }

// A watcher that does not read slows nothing.
func TestSlowWatcher(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	c := start(t, newWorker())
	p := planOf(o.URL()+"/ok", 0, 4)
	p.Load.Duration = durationpb.New(1500 * time.Millisecond)
	id := create(t, c, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := c.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: id, View: fanoutv1.RunView_RUN_VIEW_FULL}); err != nil {
		t.Fatal(err)
	}
	if r := watch(t, c, id); r.GetVerdict() != fanoutv1.Verdict_VERDICT_PASSED {
		t.Errorf("run = %v %s, want PASSED", r.GetVerdict(), r.GetVerdictReason())
	}
}

func TestParseWorkers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"127.0.0.1:7070", "a:1,b:2", " a:1 , b:2", "[::1]:7070"} {
		if _, err := coordinator.ParseWorkers(text); err != nil {
			t.Errorf("ParseWorkers(%q) = %v", text, err)
		}
	}
	for _, text := range []string{"", "a", "a:1,", "a:1,a:1", ":1", "dns:///", "dns:///name", "a:"} {
		if _, err := coordinator.ParseWorkers(text); err == nil || !strings.Contains(err.Error(), "--workers") {
			t.Errorf("ParseWorkers(%q) = %v, want an error that names the flag", text, err)
		}
	}
	named, err := coordinator.ParseWorkers("dns:///localhost:7070")
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := named.Resolve(t.Context())
	if err != nil || len(addresses) == 0 || !strings.HasSuffix(addresses[0], ":7070") {
		t.Errorf("Resolve = %v, %v, want all addresses of localhost", addresses, err)
	}
}
