package hostile

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// Whatever bytes are a CreateRunRequest: it is refused, or makes a run that ends, with an account in which every slot has its place.
func FuzzCreateRun(f *testing.F) {
	for _, p := range plans() {
		f.Add(encode(f, &fanoutv1.CreateRunRequest{Plan: p}))
	}
	f.Add(encode(f, &fanoutv1.CreateRunRequest{
		RequestId: "id", Name: "name", Labels: map[string]string{"a": "b", "": "c"}, Plan: plans()[2], OnWorkerLoss: 99,
	}))
	client := startCoordinator(f, worker.Config{Caps: caps(), Dialer: refusing()})
	f.Fuzz(func(t *testing.T, b []byte) {
		request := new(fanoutv1.CreateRunRequest)
		decode(t, b, request)
		request.RequestId = "" // the same again would be the same run
		within(t, func(ctx context.Context) { createRun(ctx, t, client, request) })
	})
}

// createRun makes a run, sees it to its end and deletes it.
func createRun(ctx context.Context, t *testing.T, client fanoutv1.CoordinatorServiceClient, request *fanoutv1.CreateRunRequest) {
	t.Helper()
	created, err := client.CreateRun(ctx, request)
	if err != nil {
		refused(t, err)
		return
	}
	id := created.GetRun().GetId()
	// Most plans are over by then; a run whose slots nobody ends goes on until somebody cancels it.
	late := time.AfterFunc(time.Second, func() {
		if _, err := client.CancelRun(ctx, &fanoutv1.CancelRunRequest{RunId: id}); err != nil {
			t.Errorf("CancelRun = %v", err)
		}
	})
	defer late.Stop()
	stream, err := client.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: id, View: fanoutv1.RunView_RUN_VIEW_FULL})
	if err != nil {
		t.Fatalf("WatchRun = %v", err)
	}
	var last *fanoutv1.Run
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("WatchRun = %v, want its end", err)
		}
		last = message.GetRun()
		closedCounts(t, last.GetTally().GetCounts())
	}
	if counts := last.GetTally().GetCounts(); last.GetState() != fanoutv1.State_STATE_ENDED || counts.GetPending()+counts.GetInFlight() != 0 {
		t.Errorf("the run ended with %v", last)
	}
	checks, err := client.VerifyRun(ctx, &fanoutv1.VerifyRunRequest{RunId: id})
	if err != nil {
		t.Errorf("VerifyRun = %v", err)
	}
	for _, c := range checks.GetChecks() {
		if !c.GetOk() {
			t.Errorf("VerifyRun says %v of %v", c, last)
		}
	}
	if _, err := client.DeleteRun(ctx, &fanoutv1.DeleteRunRequest{RunId: id}); err != nil {
		t.Errorf("DeleteRun = %v", err)
	}
}

// call is an RPC with one answer whose request is read from bytes.
func call[Q any, P interface {
	*Q
	proto.Message
}](do func(context.Context, P) (any, error)) func(context.Context, *testing.T, []byte) error {
	return func(ctx context.Context, t *testing.T, b []byte) error {
		request := P(new(Q))
		decode(t, b, request)
		_, err := do(ctx, request)
		return err
	}
}

// Whatever bytes are another request to a coordinator: it is answered.
func FuzzCoordinatorCalls(f *testing.F) {
	client := startCoordinator(f, worker.Config{Caps: caps(), Dialer: refusing()})
	id := anEndedRun(f, client)
	for _, m := range []proto.Message{
		&fanoutv1.GetRunRequest{RunId: id, View: fanoutv1.RunView_RUN_VIEW_FULL}, // the same bytes are four of the other messages
		&fanoutv1.GetRunRequest{RunId: "r\xc3\xbc\x00", View: -1},
		&fanoutv1.GetRunRequest{RunId: string(make([]byte, 1<<16))},
		&fanoutv1.ListRunsRequest{PageSize: 1, PageToken: "runs-1"},
		&fanoutv1.ListRunsRequest{PageSize: math.MaxInt32, PageToken: "runs-9223372036854775807"},
		&fanoutv1.ListRunsRequest{PageSize: -1, PageToken: "runs--1"},
		&fanoutv1.ListRunIntervalsRequest{RunId: id, PageSize: 1, PageToken: "intervals-0"},
		&fanoutv1.ListRunIntervalsRequest{RunId: id, PageToken: "intervals-9223372036854775807"},
	} {
		for which := range uint8(9) {
			f.Add(which, encode(f, m))
		}
	}
	calls := []func(context.Context, *testing.T, []byte) error{
		call(func(ctx context.Context, r *fanoutv1.GetRunRequest) (any, error) { return client.GetRun(ctx, r) }),
		call(func(ctx context.Context, r *fanoutv1.ListRunsRequest) (any, error) { return client.ListRuns(ctx, r) }),
		call(func(ctx context.Context, r *fanoutv1.ListRunIntervalsRequest) (any, error) {
			return client.ListRunIntervals(ctx, r)
		}),
		call(func(ctx context.Context, r *fanoutv1.CancelRunRequest) (any, error) { return client.CancelRun(ctx, r) }),
		call(func(ctx context.Context, r *fanoutv1.VerifyRunRequest) (any, error) { return client.VerifyRun(ctx, r) }),
		call(func(ctx context.Context, r *fanoutv1.ListWorkersRequest) (any, error) {
			return client.ListWorkers(ctx, r)
		}),
		call(func(ctx context.Context, r *fanoutv1.CoordinatorServiceStopAllRequest) (any, error) {
			return client.StopAll(ctx, r)
		}),
		call(func(ctx context.Context, r *fanoutv1.WatchRunRequest) (any, error) {
			stream, err := client.WatchRun(ctx, r)
			for err == nil {
				_, err = stream.Recv()
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return nil, err
		}),
		call(func(ctx context.Context, r *fanoutv1.DeleteRunRequest) (any, error) {
			if r.GetRunId() == id {
				return nil, nil // the others want it
			}
			return client.DeleteRun(ctx, r)
		}),
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		within(t, func(ctx context.Context) { refused(t, calls[int(which)%len(calls)](ctx, t, b)) })
	})
}

// anEndedRun is the identifier of a run that has ended.
func anEndedRun(f *testing.F, client fanoutv1.CoordinatorServiceClient) string {
	f.Helper()
	created, err := client.CreateRun(context.Background(), &fanoutv1.CreateRunRequest{Plan: plans()[2]})
	if err != nil {
		f.Fatal(err)
	}
	id := created.GetRun().GetId()
	for {
		_, err := client.VerifyRun(context.Background(), &fanoutv1.VerifyRunRequest{RunId: id})
		if err == nil {
			return id
		}
		if status.Code(err) != codes.FailedPrecondition {
			f.Fatal(err)
		}
	}
}
