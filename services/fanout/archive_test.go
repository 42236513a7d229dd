package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

// archive is a coordinator with runs of its own: r-9 goes on until it is cancelled or deleted, those below it have ended: the even
// ones passed, the odd ones are incomplete, and of r-4 there is nothing to check.
type archive struct {
	fanoutv1.UnimplementedCoordinatorServiceServer
	runs int64 // beside r-9
	page int   // the most in one page

	mu        sync.Mutex
	cancelled bool
	deleted   []string
	created   []*fanoutv1.CreateRunRequest
	watched   bool
}

// startArchive serves it on a port that the system chooses; the test's end ends it.
func startArchive(t *testing.T, a *archive) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpcserve.New(slog.New(slog.DiscardHandler), grpcserve.Security{})
	fanoutv1.RegisterCoordinatorServiceServer(server, a)
	served := make(chan error, 1) // for its one result
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want no error", err)
		}
	})
	return l.Addr().String()
}

func (a *archive) find(id string) (*fanoutv1.Run, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, "r-"), 10, 64)
	if err != nil || n < 1 || n > a.runs && n != 9 {
		return nil, rpcerr.NotFound("run_id %q is none", id)
	}
	return a.run(n), nil
}

func (a *archive) run(n int64) *fanoutv1.Run {
	a.mu.Lock()
	defer a.mu.Unlock()
	begun := time.Date(2026, 3, 14, 9, 0, int(n), 0, time.UTC)
	r := &fanoutv1.Run{
		Id: fmt.Sprintf("r-%d", n), Name: "nightly", State: fanoutv1.State_STATE_ENDED, Verdict: fanoutv1.Verdict_VERDICT_PASSED,
		CreateTime: timestamppb.New(begun), StartTime: timestamppb.New(begun), EndTime: timestamppb.New(begun.Add(2 * time.Second)),
		Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Planned: 1010, Responses: 1010}},
	}
	switch {
	case n == 9 && a.cancelled:
		r.Verdict = fanoutv1.Verdict_VERDICT_CANCELLED
	case n == 9:
		r.State, r.Verdict, r.EndTime = fanoutv1.State_STATE_RUNNING, 0, nil
	case n%2 == 1:
		r.Verdict, r.Tally.Counts = fanoutv1.Verdict_VERDICT_INCOMPLETE, &fanoutv1.Counts{Planned: 1010, Responses: 1000, Errors: 3, Unknown: 7}
	}
	return r
}

func (a *archive) GetRun(_ context.Context, r *fanoutv1.GetRunRequest) (*fanoutv1.GetRunResponse, error) {
	found, err := a.find(r.GetRunId())
	return &fanoutv1.GetRunResponse{Run: found}, err
}

// CreateRun answers with a run that has ended.
func (a *archive) CreateRun(_ context.Context, r *fanoutv1.CreateRunRequest) (*fanoutv1.CreateRunResponse, error) {
	a.mu.Lock()
	a.created = append(a.created, r)
	a.mu.Unlock()
	return &fanoutv1.CreateRunResponse{Run: a.run(2)}, nil
}

func (a *archive) WatchRun(r *fanoutv1.WatchRunRequest, s grpc.ServerStreamingServer[fanoutv1.WatchRunResponse]) error {
	a.mu.Lock()
	a.watched = true
	a.mu.Unlock()
	for {
		found, err := a.find(r.GetRunId())
		if err != nil {
			return err
		}
		if err := s.Send(&fanoutv1.WatchRunResponse{Run: found}); err != nil || found.GetEndTime() != nil {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}

// ListRuns has tokens that are the number of the run after which the page begins.
func (a *archive) ListRuns(_ context.Context, r *fanoutv1.ListRunsRequest) (*fanoutv1.ListRunsResponse, error) {
	next := a.runs
	if token := r.GetPageToken(); token != "" {
		next, _ = strconv.ParseInt(token, 10, 64)
	}
	response := &fanoutv1.ListRunsResponse{}
	for ; next > 0 && len(response.Runs) < min(a.page, int(r.GetPageSize())); next-- {
		response.Runs = append(response.Runs, a.run(next))
	}
	if next > 0 {
		response.NextPageToken = strconv.FormatInt(next, 10)
	}
	return response, nil
}

func (a *archive) CancelRun(_ context.Context, r *fanoutv1.CancelRunRequest) (*fanoutv1.CancelRunResponse, error) {
	if _, err := a.find(r.GetRunId()); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancelled = true
	return &fanoutv1.CancelRunResponse{}, nil
}

func (a *archive) DeleteRun(_ context.Context, r *fanoutv1.DeleteRunRequest) (*fanoutv1.DeleteRunResponse, error) {
	found, err := a.find(r.GetRunId())
	switch {
	case err != nil:
		return nil, err
	case found.GetEndTime() == nil:
		return nil, rpcerr.NotEnded("run %s has not ended; cancel it first", r.GetRunId())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deleted = append(a.deleted, r.GetRunId())
	return &fanoutv1.DeleteRunResponse{}, nil
}

func (a *archive) VerifyRun(_ context.Context, r *fanoutv1.VerifyRunRequest) (*fanoutv1.VerifyRunResponse, error) {
	found, err := a.find(r.GetRunId())
	if err != nil {
		return nil, err
	}
	if r.GetRunId() == "r-4" {
		return &fanoutv1.VerifyRunResponse{}, nil
	}
	whole := found.GetVerdict() == fanoutv1.Verdict_VERDICT_PASSED
	return &fanoutv1.VerifyRunResponse{Checks: []*fanoutv1.RunCheck{
		{Name: "closure", Ok: true, Detail: "1010 = 1010"}, {Name: "seconds", Ok: whole, Detail: "1000 of 1010"},
	}}, nil
}

func (a *archive) isWatched() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.watched
}
