package coordinator_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
)

// The same request_id is the same run, also when the calls come all at once.
func TestRequestID(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorker(t))
	create := func(n int64) (*fanoutv1.CreateRunResponse, error) {
		return s.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{RequestId: "once", Plan: closedLoop(o.URL()+"/ok", n, 1)})
	}
	var (
		all sync.WaitGroup
		ids [20]string
	)
	for i := range ids {
		all.Go(func() {
			response, err := create(10)
			if err != nil {
				t.Errorf("CreateRun = %v, want the run", err)
			}
			ids[i] = response.GetRun().GetId()
		})
	}
	all.Wait()
	if different := slices.Compact(slices.Sorted(slices.Values(ids[:]))); len(different) != 1 {
		t.Errorf("runs = %v, want one", different)
	}
	_, err := create(11)
	wantError(t, "CreateRun with another plan", err, codes.AlreadyExists, "ALREADY_EXISTS")
	s.watch(t, ids[0], fanoutv1.RunView_RUN_VIEW_BASIC)
	wantSeen(t, o, 10)
	again, err := create(10)
	if err != nil || again.GetRun().GetId() != ids[0] || again.GetRun().GetState() != fanoutv1.State_STATE_ENDED {
		t.Errorf("CreateRun after the end = %v in %v, %v, want the run that ended", again.GetRun().GetId(), again.GetRun().GetState(), err)
	}
	wantSeen(t, o, 10)
}

func TestListRuns(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	s := start(t, newWorker(t))
	var ids []string
	for range 5 {
		r := s.carryOut(t, closedLoop(o.URL()+"/ok", 1, 1))
		ids = append(ids, r.GetId())
	}
	slices.Reverse(ids)
	var listed []string
	for token := ""; ; {
		page, err := s.ListRuns(t.Context(), &fanoutv1.ListRunsRequest{PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatalf("ListRuns = %v, want a page", err)
		}
		for _, r := range page.GetRuns() {
			listed = append(listed, r.GetId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(listed, ids) {
		t.Errorf("ListRuns = %v, want %v", listed, ids)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := start(t, newWorker(t))
	ctx := t.Context()
	listRuns := func(size int32, token string) error {
		return second(s.ListRuns(ctx, &fanoutv1.ListRunsRequest{PageSize: size, PageToken: token}))
	}
	watch := func() error {
		stream, err := s.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: "none"})
		if err != nil {
			return err
		}
		return second(stream.Recv())
	}
	for _, tt := range []struct {
		call   string
		err    error
		code   codes.Code
		reason string
	}{
		{"GetRun of none", second(s.GetRun(ctx, &fanoutv1.GetRunRequest{RunId: "none"})), codes.NotFound, "NOT_FOUND"},
		{"WatchRun of none", watch(), codes.NotFound, "NOT_FOUND"},
		{"CancelRun of none", second(s.CancelRun(ctx, &fanoutv1.CancelRunRequest{RunId: "none"})), codes.NotFound, "NOT_FOUND"},
		{"ListRunIntervals of none", second(s.ListRunIntervals(ctx, &fanoutv1.ListRunIntervalsRequest{RunId: "none"})), codes.NotFound, "NOT_FOUND"},
		{"GetRun without an id", second(s.GetRun(ctx, &fanoutv1.GetRunRequest{})), codes.InvalidArgument, "INVALID_REQUEST"},
		{"a negative page", listRuns(-1, ""), codes.InvalidArgument, "INVALID_REQUEST"},
		{"a token of nobody's", listRuns(0, "x"), codes.InvalidArgument, "INVALID_REQUEST"},
		{"another method's token", listRuns(0, "intervals-1"), codes.InvalidArgument, "INVALID_REQUEST"},
		{"a bad plan", second(s.CreateRun(ctx, &fanoutv1.CreateRunRequest{Plan: closedLoop("ftp://x", -1, 0)})), codes.InvalidArgument, "INVALID_REQUEST"},
		{"no plan", second(s.CreateRun(ctx, &fanoutv1.CreateRunRequest{})), codes.InvalidArgument, "INVALID_REQUEST"},
	} {
		wantError(t, tt.call, tt.err, tt.code, tt.reason)
	}
}

func second[T any](_ T, err error) error { return err }

func TestListWorkers(t *testing.T) {
	t.Parallel()
	s := start(t, newWorker(t), dead, muteWorker{})
	response, err := s.ListWorkers(t.Context(), &fanoutv1.ListWorkersRequest{})
	if err != nil || len(response.GetWorkers()) != 3 {
		t.Fatalf("ListWorkers = %v, %v, want 3", response, err)
	}
	for i, w := range response.GetWorkers() {
		if w.GetAddress() != address(i) {
			t.Errorf("address %d = %q, want %q", i, w.GetAddress(), address(i))
		}
		if answers := i == 0; (w.GetWorker().GetInstanceId() != "") != answers || (w.GetRoundTripDuration() != nil) != answers || (w.GetFailure() == nil) != answers {
			t.Errorf("worker %d = %v, want it to answer: %v", i, w, answers)
		}
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
