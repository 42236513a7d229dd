package coordinator_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/access/accesstest"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/logtest"
)

// callers is the callers of a test, and what lets them in.
type callers struct {
	grpcserve.Security
	*accesstest.Callers
}

func newCallers(t *testing.T) *callers {
	t.Helper()
	c := accesstest.New(t)
	return &callers{grpcserve.Security{Access: c.Control}, c}
}

// begin creates a run that goes on, and waits until the target has heard of it.
func (c *callers) begin(t *testing.T, s *service, name, url string) *fanoutv1.Run {
	t.Helper()
	response, err := s.CreateRun(c.As(t.Context(), name), &fanoutv1.CreateRunRequest{Plan: closedLoop(url, 1000, 1)})
	if err != nil {
		t.Fatalf("CreateRun as %s = %v", name, err)
	}
	eventually(t, "a run that goes on", func() bool {
		got, err := s.GetRun(c.As(t.Context(), "eve"), &fanoutv1.GetRunRequest{RunId: response.GetRun().GetId()})
		return err == nil && got.GetRun().GetTally().GetCounts().GetInFlight() > 0
	})
	return response.GetRun()
}

// end is the run at its end.
func (c *callers) end(t *testing.T, s *service, id string) *fanoutv1.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(c.As(t.Context(), "eve"), patience)
	defer cancel()
	stream, err := s.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: id})
	if err != nil {
		t.Fatal(err)
	}
	all := receive(t, stream)
	return all[len(all)-1]
}

// A run is its creator's: everybody who may read sees it, another runner neither cancels nor deletes it, an admin does.
func TestRunsBelongToTheirCreator(t *testing.T) {
	t.Parallel()
	o, who := startOracle(t), newCallers(t)
	s := startWith(t, coordinator.Config{Security: who.Security}, newWorkers(t, 1)...)
	run := who.begin(t, s, "ann", o.URL()+"/stall")
	id := run.GetId()
	for _, name := range []string{"ann", "bob", "eve", "root"} {
		got, err := s.GetRun(who.As(t.Context(), name), &fanoutv1.GetRunRequest{RunId: id})
		if err != nil || got.GetRun().GetCreator() != "ann" {
			t.Errorf("GetRun as %s = creator %q, %v, want ann's run", name, got.GetRun().GetCreator(), err)
		}
	}
	_, err := s.CancelRun(who.As(t.Context(), "bob"), &fanoutv1.CancelRunRequest{RunId: id})
	wantError(t, "CancelRun as bob", err, codes.PermissionDenied, "NOT_OWNER")
	if !strings.Contains(err.Error(), "created by ann, and you are bob") {
		t.Errorf("CancelRun as bob = %v, want it to name ann", err)
	}
	_, err = s.CancelRun(who.As(t.Context(), "eve"), &fanoutv1.CancelRunRequest{RunId: id})
	wantError(t, "CancelRun as eve", err, codes.PermissionDenied, "ROLE_TOO_LOW")
	if got, err := s.GetRun(who.As(t.Context(), "eve"), &fanoutv1.GetRunRequest{RunId: id}); err != nil || got.GetRun().GetState() != fanoutv1.State_STATE_RUNNING {
		t.Errorf("GetRun after others have tried to cancel it = %v, %v, want it RUNNING", got.GetRun().GetState(), err)
	}
	if _, err := s.CancelRun(who.As(t.Context(), "ann"), &fanoutv1.CancelRunRequest{RunId: id}); err != nil {
		t.Errorf("CancelRun as ann = %v", err)
	}
	wantVerdict(t, who.end(t, s, id), fanoutv1.Verdict_VERDICT_CANCELLED, "the run was cancelled")
	_, err = s.DeleteRun(who.As(t.Context(), "bob"), &fanoutv1.DeleteRunRequest{RunId: id})
	wantError(t, "DeleteRun as bob", err, codes.PermissionDenied, "NOT_OWNER")
	if _, err := s.DeleteRun(who.As(t.Context(), "ann"), &fanoutv1.DeleteRunRequest{RunId: id}); err != nil {
		t.Errorf("DeleteRun as ann = %v", err)
	}
	_, err = s.DeleteRun(who.As(t.Context(), "bob"), &fanoutv1.DeleteRunRequest{RunId: id})
	wantError(t, "DeleteRun of what is gone", err, codes.NotFound, "NOT_FOUND")

	other := who.begin(t, s, "bob", o.URL()+"/stall").GetId()
	if _, err := s.CancelRun(who.As(t.Context(), "root"), &fanoutv1.CancelRunRequest{RunId: other}); err != nil {
		t.Errorf("CancelRun as root = %v", err)
	}
	who.end(t, s, other)
	if _, err := s.DeleteRun(who.As(t.Context(), "root"), &fanoutv1.DeleteRunRequest{RunId: other}); err != nil {
		t.Errorf("DeleteRun as root = %v", err)
	}
}

// The next coordinator knows whose a run is; one of a time without access control is an admin's alone.
func TestTheCreatorIsStored(t *testing.T) {
	t.Parallel()
	who := newCallers(t)
	memory := coordinator.NewMemory(0)
	ids := map[string]string{}
	for _, name := range []string{"ann", ""} {
		session, err := memory.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		config, ctx := coordinator.Config{Store: session}, t.Context()
		if name != "" {
			config.Security, ctx = who.Security, who.As(t.Context(), name)
		}
		s := startWith(t, config, dead)
		created, err := s.CreateRun(ctx, &fanoutv1.CreateRunRequest{Plan: closedLoop("http://127.0.0.1:1/", 1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = created.GetRun().GetId()
		s.coordinator.Close()
	}
	session, err := memory.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := startWith(t, coordinator.Config{Store: session, Security: who.Security}, dead)
	for name, id := range ids {
		list, err := s.ListRuns(who.As(t.Context(), "eve"), &fanoutv1.ListRunsRequest{})
		if err != nil || len(list.GetRuns()) != len(ids) {
			t.Fatalf("ListRuns = %v, %v", list, err)
		}
		got, err := s.GetRun(who.As(t.Context(), "eve"), &fanoutv1.GetRunRequest{RunId: id})
		if err != nil || got.GetRun().GetCreator() != name {
			t.Errorf("GetRun = creator %q, %v, want %q", got.GetRun().GetCreator(), err, name)
		}
		_, err = s.DeleteRun(who.As(t.Context(), "bob"), &fanoutv1.DeleteRunRequest{RunId: id})
		wantError(t, "DeleteRun as bob", err, codes.PermissionDenied, "NOT_OWNER")
	}
	if _, err := s.DeleteRun(who.As(t.Context(), "ann"), &fanoutv1.DeleteRunRequest{RunId: ids["ann"]}); err != nil {
		t.Errorf("DeleteRun as ann = %v", err)
	}
	_, err = s.DeleteRun(who.As(t.Context(), "ann"), &fanoutv1.DeleteRunRequest{RunId: ids[""]})
	wantError(t, "DeleteRun of nobody's as ann", err, codes.PermissionDenied, "NOT_OWNER")
	if _, err := s.DeleteRun(who.As(t.Context(), "root"), &fanoutv1.DeleteRunRequest{RunId: ids[""]}); err != nil {
		t.Errorf("DeleteRun of nobody's as root = %v", err)
	}
}

// The request_id of one caller says nothing to another.
func TestRequestIDsAreEachCreators(t *testing.T) {
	t.Parallel()
	who := newCallers(t)
	s := startWith(t, coordinator.Config{Security: who.Security}, dead)
	create := func(name string, n int64) (string, error) {
		response, err := s.CreateRun(who.As(t.Context(), name), &fanoutv1.CreateRunRequest{RequestId: "same", Plan: closedLoop("http://127.0.0.1:1/", n, 1)})
		return response.GetRun().GetId(), err
	}
	first, err := create("ann", 1)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("ann", 1); again != first || err != nil {
		t.Errorf("CreateRun as ann again = %q, %v, want %q", again, err, first)
	}
	if other, err := create("bob", 1); other == first || other == "" || err != nil {
		t.Errorf("CreateRun as bob = %q, %v, want a run of its own", other, err)
	}
	if other, err := create("root", 2); other == first || other == "" || err != nil {
		t.Errorf("CreateRun as root with another plan = %q, %v, want a run of its own", other, err)
	}
	_, err = create("ann", 2)
	wantError(t, "CreateRun as ann with another plan", err, codes.AlreadyExists, "ALREADY_EXISTS")
}

// One subject has its share of the runs that may go on, and no more.
func TestRunsPerSubject(t *testing.T) {
	t.Parallel()
	o, who := startOracle(t), newCallers(t)
	s := startWith(t, coordinator.Config{Security: who.Security, MaxRunsPerSubject: 2}, newWorkers(t, 1)...)
	first := who.begin(t, s, "ann", o.URL()+"/stall")
	second := who.begin(t, s, "ann", o.URL()+"/stall")
	request := &fanoutv1.CreateRunRequest{Plan: closedLoop(o.URL()+"/ok", 1, 1)}
	_, err := s.CreateRun(who.As(t.Context(), "ann"), request)
	wantError(t, "CreateRun of a third run", err, codes.ResourceExhausted, "FULL")
	quota, ok := status.Convert(err).Details()[1].(*errdetails.QuotaFailure)
	if !ok || quota.GetViolations()[0].GetSubject() != "ann" || !strings.Contains(err.Error(), "2 runs of ann") ||
		!strings.Contains(err.Error(), "--max-runs-per-subject") {
		t.Errorf("CreateRun of a third run = %v with %v, want the cap, its value and ann", err, quota)
	}
	if _, err := s.CreateRun(who.As(t.Context(), "bob"), request); err != nil {
		t.Errorf("CreateRun as bob = %v, want a run", err)
	}
	for _, id := range []string{first.GetId(), second.GetId()} {
		if _, err := s.CancelRun(who.As(t.Context(), "ann"), &fanoutv1.CancelRunRequest{RunId: id}); err != nil {
			t.Fatal(err)
		}
		who.end(t, s, id)
	}
	if _, err := s.CreateRun(who.As(t.Context(), "ann"), request); err != nil {
		t.Errorf("CreateRun after the others have ended = %v, want a run", err)
	}
}

// Without access control nobody has a name, and so no share.
func TestNobodyHasNoShare(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := startWith(t, coordinator.Config{MaxRunsPerSubject: 1}, newWorkers(t, 1)...)
	for range 3 {
		s.create(t, closedLoop(o.URL()+"/stall", 10, 1))
	}
}

// StopAll ends every run, whoever has created it, and each says so; the target hears of none any more.
func TestStopAll(t *testing.T) {
	t.Parallel()
	o, who := startOracle(t), newCallers(t)
	s := startWith(t, coordinator.Config{Security: who.Security}, newWorkers(t, 2)...)
	var ids []string
	for _, name := range []string{"ann", "bob", "bob"} {
		ids = append(ids, who.begin(t, s, name, o.URL()+"/delay/20ms").GetId())
	}
	for _, name := range []string{"ann", "eve"} {
		_, err := s.StopAll(who.As(t.Context(), name), &fanoutv1.CoordinatorServiceStopAllRequest{})
		wantError(t, "StopAll as "+name, err, codes.PermissionDenied, "ROLE_TOO_LOW")
	}
	response, err := s.StopAll(who.As(t.Context(), "root"), &fanoutv1.CoordinatorServiceStopAllRequest{})
	if err != nil || response.GetStoppedCount() != 3 {
		t.Fatalf("StopAll = %v, %v, want 3 stopped", response, err)
	}
	for _, id := range ids {
		run := who.end(t, s, id)
		wantVerdict(t, run, fanoutv1.Verdict_VERDICT_CANCELLED, "the run was cancelled by StopAll of root")
		wantClosed(t, run)
	}
	before := o.Ledger().Total()
	response, err = s.StopAll(who.As(t.Context(), "root"), &fanoutv1.CoordinatorServiceStopAllRequest{})
	if err != nil || response.GetStoppedCount() != 0 {
		t.Errorf("StopAll of nothing = %v, %v, want 0", response, err)
	}
	if after := o.Ledger().Total(); after != before {
		t.Errorf("the target heard of %d requests after the end of all runs", after-before)
	}
	if _, err := s.CreateRun(who.As(t.Context(), "ann"), &fanoutv1.CreateRunRequest{Plan: closedLoop(o.URL()+"/ok", 1, 1)}); err != nil {
		t.Errorf("CreateRun after StopAll = %v, want a run", err)
	}
}

// The log has a line on each run that was accepted, that was refused and that has ended, and no secret of its URL.
func TestAuditLines(t *testing.T) {
	t.Parallel()
	o, who := startOracle(t), newCallers(t)
	log := new(logtest.Log)
	s := startWith(t, coordinator.Config{Security: who.Security, MaxRunsPerSubject: 1, Log: slog.New(slog.NewTextHandler(log, nil))}, newWorkers(t, 1)...)
	url := strings.Replace(o.URL(), "://", "://ann:canary@", 1) + "/ok?token=canary"
	host := strings.TrimPrefix(o.URL(), "http://")
	create := func(p *fanoutv1.Plan) (*fanoutv1.CreateRunResponse, error) {
		return s.CreateRun(who.As(t.Context(), "ann"), &fanoutv1.CreateRunRequest{Plan: p})
	}
	created, err := create(closedLoop(url, 3, 1))
	if err != nil {
		t.Fatal(err)
	}
	who.end(t, s, created.GetRun().GetId())
	going := who.begin(t, s, "ann", o.URL()+"/stall")
	if _, err := create(closedLoop(url, 3, 1)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("CreateRun of a second run = %v, want RESOURCE_EXHAUSTED", err)
	}
	if _, err := create(closedLoop("canary", 3, 1)); status.Code(err) != codes.InvalidArgument {
		t.Errorf("CreateRun of no URL = %v, want INVALID_ARGUMENT", err)
	}
	if _, err := s.StopAll(who.As(t.Context(), "root"), &fanoutv1.CoordinatorServiceStopAllRequest{}); err != nil {
		t.Error(err)
	}
	who.end(t, s, going.GetId())
	wantLine := func(n int, what string, words ...string) {
		t.Helper()
		found := log.With(what)
		if len(found) != n {
			t.Errorf("%q is logged %d times, want %d", what, len(found), n)
			return
		}
		for _, word := range words {
			if !strings.Contains(found[0], word) {
				t.Errorf("the line %s, want %q in it", found[0], word)
			}
		}
	}
	id := created.GetRun().GetId()
	wantLine(2, "audit: run accepted", "subject=ann", "peer=bufconn", "targets=["+host+"]", "planned=3", "run_id="+id)
	wantLine(2, "audit: run ended", "subject=ann", "targets=["+host+"]", "planned=3", "responses=3", "unknown=0", "verdict=PASSED", "run_id="+id)
	wantLine(2, "audit: run refused", "subject=ann", "peer=bufconn", "planned=3", "code=ResourceExhausted")
	wantLine(1, "audit: all runs stopped", "subject=root", "stopped=1")
	if found := log.With("canary"); len(found) > 0 {
		t.Errorf("the log has %q, want no secret", found)
	}
}

// A worker that is told to stop everything stops its part of a run, of which the others take what is left; the run says so, and does not
// come back to that worker.
func TestStopAllOfOneWorker(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	workers := newWorkers(t, 2)
	s := startWith(t, coordinator.Config{}, workers...)
	run := s.create(t, openLoop(o.URL()+"/delay/5ms", 100, 3*time.Second))
	eventually(t, "requests", func() bool { return o.Ledger().Total() > 20 })
	response, err := workers[0].StopAll(t.Context(), &fanoutv1.WorkerServiceStopAllRequest{})
	if err != nil || response.GetStoppedCount() != 1 {
		t.Fatalf("StopAll = %v, %v, want 1 stopped", response, err)
	}
	all := s.watch(t, run.GetId(), fanoutv1.RunView_RUN_VIEW_BASIC)
	final := all[len(all)-1]
	wantVerdict(t, final, fanoutv1.Verdict_VERDICT_INCOMPLETE, "worker "+address(0)+" was told to stop everything")
	if len(final.GetWorkers()) != 2 {
		t.Fatalf("the run has %d shards, want the two with which it began", len(final.GetWorkers()))
	}
	wantFailure(t, final.GetWorkers()[0], fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_STOPPED, "told to stop everything")
	if final.GetWorkers()[1].GetFailure() != nil {
		t.Errorf("failure of the other = %v, want none", final.GetWorkers()[1].GetFailure())
	}
	if c := final.GetTally().GetCounts(); c.GetPlanned() != 300 || c.GetUnknown() != 0 {
		t.Errorf("counts = %s, want all 300 slots accounted for", counts(final))
	}
	checks, err := s.VerifyRun(t.Context(), &fanoutv1.VerifyRunRequest{RunId: run.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	for _, check := range checks.GetChecks() {
		if !check.GetOk() {
			t.Errorf("%s: %s", check.GetName(), check.GetDetail())
		}
	}
}
