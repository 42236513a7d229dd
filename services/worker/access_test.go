package worker_test

import (
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/access/accesstest"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/logtest"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker"
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

// begun is a call that goes on.
type begun struct {
	runID  string
	stream fanoutv1.WorkerService_FanOutClient
}

// begin begins a call, or a shard of a run, that goes on, and waits until it has started.
func (c *callers) begin(t *testing.T, client fanoutv1.WorkerServiceClient, name string, request *fanoutv1.FanOutRequest) *begun {
	t.Helper()
	stream, err := client.FanOut(c.As(t.Context(), name), request)
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatalf("FanOut as %s = %v, want it started", name, err)
	}
	return &begun{first.GetStarted().GetRunId(), stream}
}

// end is the counts at the call's end.
func (b *begun) end(t *testing.T) *fanoutv1.Counts {
	t.Helper()
	for {
		m, err := b.stream.Recv()
		if err != nil {
			t.Fatalf("the stream of run %s ended with %v, want finished", b.runID, err)
		}
		if m.GetFinished() != nil {
			return m.GetFinished().GetTally().GetCounts()
		}
	}
}

// wantNotOwner checks that a call was refused since what it means is another's.
func wantNotOwner(t *testing.T, what string, err error, owner string) {
	t.Helper()
	wantCode(t, what, err, codes.PermissionDenied)
	info, ok := status.Convert(err).Details()[0].(*errdetails.ErrorInfo)
	if !ok || info.GetReason() != "NOT_OWNER" || !strings.Contains(err.Error(), "opened by "+owner) {
		t.Errorf("%s = %v with %v, want NOT_OWNER naming %s", what, err, info, owner)
	}
}

// A call is its caller's: another runner does not stop it, an admin does.
func TestCallsBelongToTheirCaller(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	_, client := start(t, worker.Config{Security: who.Security})
	request := &fanoutv1.FanOutRequest{Plan: planOf(closedLoop(1000, 1), o.URL()+"/stall")}
	first, second := who.begin(t, client, "ann", request), who.begin(t, client, "ann", request)
	stop := func(name string, call *begun) error {
		_, err := client.StopFanOut(who.As(t.Context(), name), &fanoutv1.StopFanOutRequest{RunId: call.runID})
		return err
	}
	wantNotOwner(t, "StopFanOut as bob", stop("bob", first), "ann")
	wantCode(t, "StopFanOut as eve", stop("eve", first), codes.PermissionDenied)
	if err := stop("ann", first); err != nil {
		t.Errorf("StopFanOut as ann = %v", err)
	}
	if err := stop("root", second); err != nil {
		t.Errorf("StopFanOut as root = %v", err)
	}
	for _, call := range []*begun{first, second} {
		if c := call.end(t); c.GetPlanned() != 1000 || c.GetNotSent() == 0 {
			t.Errorf("counts = %v, want 1000 slots, most of them not sent", c)
		}
	}
	wantCode(t, "StopFanOut of what has ended", stop("bob", first), codes.NotFound)
}

// Two callers may have shards of the same name: neither is the other's, and neither keeps the other from opening its own.
func TestNamesAreEachCallers(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	_, client := start(t, worker.Config{Security: who.Security})
	request := &fanoutv1.FanOutRequest{Plan: planOf(closedLoop(1000, 1), o.URL()+"/stall"), Shard: shardOf(0, 400)}
	anns, bobs := who.begin(t, client, "ann", request), who.begin(t, client, "bob", request)
	again, err := client.FanOut(who.As(t.Context(), "bob"), request)
	if err != nil {
		t.Fatal(err)
	}
	_, err = again.Recv()
	wantCode(t, "bob's shard again", err, codes.AlreadyExists)
	for name, call := range map[string]*begun{"bob": bobs, "ann": anns} {
		if _, err := client.StopFanOut(who.As(t.Context(), name), &fanoutv1.StopFanOutRequest{RunId: "run", ShardId: "s0"}); err != nil {
			t.Errorf("StopFanOut as %s = %v", name, err)
		}
		call.end(t)
	}
}

// A lease is the caller's who opened it: another neither attaches to it, nor renews it, nor is given it for the same name.
func TestLeasesBelongToTheirCaller(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	w, client := start(t, worker.Config{Security: who.Security})
	t.Cleanup(w.Close)
	h := &leaseholder{t: t, worker: w, client: client, plan: planOf(closedLoop(100, 2), o.URL()+"/ok"), lease: leaseOfTest, epoch: 1}
	open := func(name, id string) (*begun, string) {
		t.Helper()
		request := h.request("run")
		request.Shard.LeaseId = id
		stream, err := client.FanOut(who.As(t.Context(), name), request)
		if err != nil {
			t.Fatal(err)
		}
		first, err := stream.Recv()
		if err != nil {
			t.Fatalf("FanOut as %s = %v, want it started", name, err)
		}
		return &begun{"run", stream}, first.GetStarted().GetLeaseId()
	}
	_, id := open("ann", "")
	if _, other := open("bob", ""); other == id {
		t.Error("bob's shard of the same name has ann's lease, want one of its own")
	}
	if _, same := open("ann", ""); same != id {
		t.Errorf("ann's shard again = lease %q, want %q", same, id)
	}
	call, _ := open("ann", id) // those before were replaced

	attach := h.request("run")
	attach.Shard.LeaseId, attach.Shard.Epoch = id, 99
	stream, err := client.FanOut(who.As(t.Context(), "bob"), attach)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantNotOwner(t, "FanOut with ann's lease as bob", err, "ann")
	info, err := client.GetWorker(who.As(t.Context(), "eve"), &fanoutv1.GetWorkerRequest{})
	if err != nil {
		t.Fatal(err)
	}
	renewal := &fanoutv1.RenewLeaseRequest{
		LeaseId: id, Epoch: 99, StartClockNanos: info.GetClockNanos(), Grants: consecutive(0, 50), LastGrant: true, Stop: true, Release: true,
	}
	_, err = client.RenewLease(who.As(t.Context(), "bob"), renewal)
	wantNotOwner(t, "RenewLease as bob", err, "ann")
	_, err = client.StopFanOut(who.As(t.Context(), "root"), &fanoutv1.StopFanOutRequest{RunId: "run", ShardId: "s0"})
	wantCode(t, "StopFanOut of a lease", err, codes.NotFound)

	// Nothing of what bob tried has been heard: ann's epoch is obeyed, and the lease is not stopped.
	renewal.Epoch, renewal.Stop, renewal.Release = 1, false, false
	position, err := client.RenewLease(who.As(t.Context(), "ann"), renewal)
	if err != nil || position.GetGrantedCount() != 50 {
		t.Fatalf("RenewLease as ann = %v, %v, want 50 granted", position, err)
	}
	if c := call.end(t); c.GetResponses() != 50 {
		t.Errorf("counts = %v, want 50 responses", c)
	}
	if n := o.Ledger().Total(); n != 50 {
		t.Errorf("the target saw %d requests, want 50", n)
	}
	if _, err := client.RenewLease(who.As(t.Context(), "root"), &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 1, Release: true}); err != nil {
		t.Errorf("RenewLease as root = %v", err)
	}
}

// One subject has its share of the worker's calls, leased ones among them, and no more.
func TestCallsPerSubject(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	w, client := start(t, worker.Config{Security: who.Security, MaxCallsPerSubject: 2})
	t.Cleanup(w.Close)
	if told, err := client.GetWorker(who.As(t.Context(), "ann"), &fanoutv1.GetWorkerRequest{}); err != nil || told.GetCaps().GetMaxSubjectCallCount() != 2 {
		t.Errorf("GetWorker = %v, %v, want it to tell of the 2 calls", told, err)
	}
	h := &leaseholder{t: t, plan: planOf(closedLoop(100, 1), o.URL()+"/stall"), lease: leaseOfTest, epoch: 1}
	request := &fanoutv1.FanOutRequest{Plan: h.plan}
	first := who.begin(t, client, "ann", request)
	who.begin(t, client, "ann", h.request("run"))
	for name, more := range map[string]*fanoutv1.FanOutRequest{"a call": request, "a lease": h.request("another")} {
		stream, err := client.FanOut(who.As(t.Context(), "ann"), more)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantCode(t, name, err, codes.ResourceExhausted)
		quota, ok := status.Convert(err).Details()[1].(*errdetails.QuotaFailure)
		if !ok || quota.GetViolations()[0].GetSubject() != "ann" || !strings.Contains(err.Error(), "2 calls of ann") ||
			!strings.Contains(err.Error(), "--max-calls-per-subject") {
			t.Errorf("%s = %v with %v, want the cap, its value and ann", name, err, quota)
		}
	}
	who.begin(t, client, "bob", request)
	if _, err := client.StopFanOut(who.As(t.Context(), "ann"), &fanoutv1.StopFanOutRequest{RunId: first.runID}); err != nil {
		t.Fatal(err)
	}
	first.end(t)
	if _, err := first.stream.Recv(); err == nil { // the worker has left the call by then
		t.Error("a message came after finished")
	}
	who.begin(t, client, "ann", request)
}

// A subject may have as many calls as the worker takes, unless it is told otherwise.
func TestCallsPerSubjectByDefault(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	caps := plan.DefaultCaps()
	caps.Calls = 3
	_, client := start(t, worker.Config{Security: who.Security, Caps: caps})
	request := &fanoutv1.FanOutRequest{Plan: planOf(closedLoop(100, 1), o.URL()+"/stall")}
	for range 3 {
		who.begin(t, client, "ann", request)
	}
}

// StopAll ends direct calls and leases, whoever has begun them; every slot is accounted for, and the target hears of none any more.
func TestStopAll(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	w, client := start(t, worker.Config{Security: who.Security})
	t.Cleanup(w.Close)
	h := &leaseholder{t: t, plan: planOf(closedLoop(5000, 2), o.URL()+"/delay/20ms"), lease: leaseOfTest, epoch: 1}
	direct := who.begin(t, client, "ann", &fanoutv1.FanOutRequest{Plan: h.plan})
	stream, err := client.FanOut(who.As(t.Context(), "bob"), h.request("run"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	info, err := client.GetWorker(who.As(t.Context(), "eve"), &fanoutv1.GetWorkerRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.RenewLease(who.As(t.Context(), "bob"), &fanoutv1.RenewLeaseRequest{
		LeaseId: first.GetStarted().GetLeaseId(), Epoch: 1, StartClockNanos: info.GetClockNanos(), Grants: consecutive(0, 5000),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // it sends
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "eve"} {
		_, err := client.StopAll(who.As(t.Context(), name), &fanoutv1.WorkerServiceStopAllRequest{})
		wantCode(t, "StopAll as "+name, err, codes.PermissionDenied)
	}
	response, err := client.StopAll(who.As(t.Context(), "root"), &fanoutv1.WorkerServiceStopAllRequest{})
	if err != nil || response.GetStoppedCount() != 2 {
		t.Fatalf("StopAll = %v, %v, want 2 stopped", response, err)
	}
	for _, call := range []*begun{direct, {"run", stream}} {
		c := call.end(t)
		if c.GetPlanned() != 5000 || c.GetNotSent() == 0 || c.GetResponses()+c.GetErrors()+c.GetNotSent() != 5000 {
			t.Errorf("counts = %v, want 5000 slots accounted for, most of them not sent", c)
		}
	}
	total := o.Ledger().Total()
	response, err = client.StopAll(who.As(t.Context(), "root"), &fanoutv1.WorkerServiceStopAllRequest{})
	if err != nil || response.GetStoppedCount() != 0 {
		t.Errorf("StopAll of nothing = %v, %v, want 0", response, err)
	}
	if n := o.Ledger().Total(); n != total {
		t.Errorf("the target heard of %d requests after the end", n-total)
	}
	who.begin(t, client, "ann", &fanoutv1.FanOutRequest{Plan: h.plan})
}

// The log's lines on a call name whose it was: the one on a refused target, and the one at the end.
func TestTheLogNamesTheSubject(t *testing.T) {
	t.Parallel()
	o, who := oracle(t), newCallers(t)
	var log logtest.Log
	_, client := start(t, worker.Config{Security: who.Security, Log: slog.New(slog.NewTextHandler(&log, nil))})
	call := who.begin(t, client, "ann", &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/ok", "http://10.0.0.1/")})
	call.end(t)
	if _, err := call.stream.Recv(); err == nil {
		t.Error("a message came after finished")
	}
	for _, line := range []string{"target refused", "a call is over"} {
		found := false
		for text := range strings.Lines(log.String()) {
			found = found || strings.Contains(text, line) && strings.Contains(text, "subject=ann") && strings.Contains(text, "run_id="+call.runID)
		}
		if !found {
			t.Errorf("the log has no %q of ann:\n%s", line, log.String())
		}
	}
}
