package coordinator_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

// A plan beyond one of the coordinator's caps is refused before any worker is asked, and the refusal says whose cap it was.
func TestBeyondEachCap(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	caps.Slots, caps.Rate, caps.Duration, caps.Requests, caps.Redirects = 100, 50, time.Minute, 2, 4
	caps.PlanBytes, caps.HeadBytes, caps.BodyBytes, caps.URLBytes = 4000, 2000, 3000, 500
	s := startWith(t, coordinator.Config{Caps: caps}, dead)
	const url = "http://a.test/"
	of := func(change func(*fanoutv1.Plan)) *fanoutv1.Plan {
		p := closedLoop(url, 10, 1)
		change(p)
		return p
	}
	text := func(n int) *fanoutv1.Body {
		return &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: strings.Repeat("b", n)}}
	}
	for _, tt := range []struct {
		cap, field, value, limit string
		plan                     *fanoutv1.Plan
	}{
		{"max_slot_count", "plan.load.requests", "101", "100", closedLoop(url, 101, 1)},
		{"max_slot_count", "plan.load.closed_loop.concurrency", "101", "100", closedLoop(url, 10, 101)},
		{"max_rate_per_second", "plan.load.open_loop.stages[0].rate_per_second", "50.5", "50", openLoop(url, 50.5, time.Second)},
		{"max_duration", "plan.load.duration", "2m", "1m", of(func(p *fanoutv1.Plan) { p.Load.Duration = durationpb.New(2 * time.Minute) })},
		{"max_request_count", "plan.requests", "3", "2", of(func(p *fanoutv1.Plan) { p.Requests = append(p.Requests, p.Requests[0], p.Requests[0]) })},
		{"max_redirect_count", "plan.http.max_redirects", "5", "4", of(func(p *fanoutv1.Plan) { p.Http.MaxRedirects = 5 })},
		{"max_plan_bytes", "plan", "50", "4000", of(func(p *fanoutv1.Plan) {
			p.Requests[0].Body = text(2500)
			p.Requests = append(p.Requests, p.Requests[0])
		})},
		{"max_head_bytes", "plan.requests[0].headers", "2005", "2000", of(func(p *fanoutv1.Plan) {
			p.Requests[0].Headers = []*fanoutv1.Header{{Name: "X", Value: strings.Repeat("v", 2000)}}
		})},
		{"max_body_bytes", "plan.requests[0].body", "3001", "3000", of(func(p *fanoutv1.Plan) { p.Requests[0].Body = text(3001) })},
		{"max_url_bytes", "plan.requests[0].url", "514", "500", of(func(p *fanoutv1.Plan) { p.Requests[0].Url += strings.Repeat("x", 500) })},
	} {
		t.Run(tt.cap+" "+tt.field, func(t *testing.T) {
			t.Parallel()
			_, err := s.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: tt.plan})
			said := ""
			for _, detail := range status.Convert(err).Details() {
				if bad, ok := detail.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) == 1 && bad.GetFieldViolations()[0].GetField() == tt.field {
					said = bad.GetFieldViolations()[0].GetDescription()
				}
			}
			if status.Code(err) != codes.InvalidArgument || !strings.Contains(said, tt.value) ||
				!strings.Contains(said, "the coordinator's cap of "+tt.limit+" ("+tt.cap+")") {
				t.Errorf("CreateRun = %v, with %q on %s, want INVALID_ARGUMENT, %s and the coordinator's cap of %s", err, said, tt.field, tt.value, tt.limit)
			}
		})
	}
}

// A plan within the coordinator's caps and beyond a worker's is a run that fails, and says whose cap it was.
func TestBeyondAWorkersCap(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	caps.Rate = 50
	low := worker.New(worker.Config{Caps: caps})
	t.Cleanup(low.Close)
	o := startOracle(t)
	s := start(t, newWorker(t), low)
	r := s.carryOut(t, openLoop(o.URL()+"/ok", 51, time.Second))
	wantVerdict(t, r, fanoutv1.Verdict_VERDICT_FAILED, "worker "+address(1))
	if want := "51 is beyond the worker's cap of 50 (max_rate_per_second)"; !strings.Contains(r.GetVerdictReason(), want) {
		t.Errorf("verdict_reason = %q, want %q in it", r.GetVerdictReason(), want)
	}
	wantSeen(t, o, 0)
	workers, err := s.ListWorkers(t.Context(), &fanoutv1.ListWorkersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.Caps(workers.GetWorkers()[1].GetWorker().GetCaps()); got != caps {
		t.Errorf("ListWorkers() has caps %+v, want %+v", got, caps)
	}
}

// As many runs go on, and are watched, as may; more are RESOURCE_EXHAUSTED with the cap, and when to come back.
func TestFull(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := startWith(t, coordinator.Config{MaxRuns: 1, MaxWatchers: 1}, newWorker(t))
	r := s.create(t, closedLoop(o.URL()+"/ok", 0, 1))
	_, err := s.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: closedLoop(o.URL()+"/ok", 1, 1)})
	wantFull(t, err, "1 of 1 runs (--max-runs)")

	first, err := s.WatchRun(t.Context(), &fanoutv1.WatchRunRequest{RunId: r.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Recv(); err != nil {
		t.Fatal(err)
	}
	second, err := s.WatchRun(t.Context(), &fanoutv1.WatchRunRequest{RunId: r.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Recv()
	wantFull(t, err, "1 of 1 watchers (--max-watchers)")

	if _, err := s.CancelRun(t.Context(), &fanoutv1.CancelRunRequest{RunId: r.GetId()}); err != nil {
		t.Fatal(err)
	}
	for err == nil || status.Code(err) == codes.ResourceExhausted { // until the end of the run, and so of its watcher
		if _, err = first.Recv(); err != nil {
			break
		}
	}
	s.carryOut(t, closedLoop(o.URL()+"/ok", 1, 1)) // with a watcher
}

func wantFull(t *testing.T, err error, words string) {
	t.Helper()
	var quota, retry bool
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.QuotaFailure:
			quota = len(detail.GetViolations()) == 1 && detail.GetViolations()[0].GetSubject() == "coordinator"
		case *errdetails.RetryInfo:
			retry = detail.GetRetryDelay().AsDuration() > 0
		}
	}
	if status.Code(err) != codes.ResourceExhausted || !quota || !retry || !strings.Contains(err.Error(), words) {
		t.Errorf("error = %v, QuotaFailure %v, RetryInfo %v, want RESOURCE_EXHAUSTED with both and %q", err, quota, retry, words)
	}
}
