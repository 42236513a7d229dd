package client_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// bookkeeper keeps a few runs, whose pages have two elements, and remembers what it was asked to do.
type bookkeeper struct {
	fanoutv1.UnimplementedCoordinatorServiceServer
	asked []string
	pages []int32
}

func (b *bookkeeper) CreateRun(_ context.Context, r *fanoutv1.CreateRunRequest) (*fanoutv1.CreateRunResponse, error) {
	b.asked = append(b.asked, "create "+r.GetRequestId()+" "+r.GetOnWorkerLoss().String())
	return &fanoutv1.CreateRunResponse{Run: &fanoutv1.Run{Id: "r-1"}}, nil
}

func (b *bookkeeper) CancelRun(_ context.Context, r *fanoutv1.CancelRunRequest) (*fanoutv1.CancelRunResponse, error) {
	b.asked = append(b.asked, "cancel "+r.GetRunId())
	return &fanoutv1.CancelRunResponse{}, nil
}

func (b *bookkeeper) DeleteRun(_ context.Context, r *fanoutv1.DeleteRunRequest) (*fanoutv1.DeleteRunResponse, error) {
	if r.GetRunId() != "r-1" {
		return nil, rpcerr.NotEnded("run %s has not ended", r.GetRunId())
	}
	b.asked = append(b.asked, "delete "+r.GetRunId())
	return &fanoutv1.DeleteRunResponse{}, nil
}

func (b *bookkeeper) VerifyRun(_ context.Context, r *fanoutv1.VerifyRunRequest) (*fanoutv1.VerifyRunResponse, error) {
	return &fanoutv1.VerifyRunResponse{Checks: []*fanoutv1.RunCheck{
		{Name: "closure", Ok: true, Detail: r.GetRunId()}, {Name: "seconds", Detail: "9 of 10"},
	}}, nil
}

func (b *bookkeeper) ListRuns(_ context.Context, r *fanoutv1.ListRunsRequest) (*fanoutv1.ListRunsResponse, error) {
	b.pages = append(b.pages, r.GetPageSize())
	if r.GetPageToken() == "" {
		return &fanoutv1.ListRunsResponse{Runs: []*fanoutv1.Run{{Id: "r-3"}, {Id: "r-2"}}, NextPageToken: "more"}, nil
	}
	return &fanoutv1.ListRunsResponse{Runs: []*fanoutv1.Run{{Id: "r-1"}}}, nil
}

func (b *bookkeeper) ListRunIntervals(_ context.Context, r *fanoutv1.ListRunIntervalsRequest) (*fanoutv1.ListRunIntervalsResponse, error) {
	second := func(n int64) *fanoutv1.RunInterval {
		return &fanoutv1.RunInterval{StartOffset: &durationpb.Duration{Seconds: n}, PlannedRatePerSecond: float64(10 * n)}
	}
	if r.GetPageToken() == "" {
		return &fanoutv1.ListRunIntervalsResponse{Intervals: []*fanoutv1.RunInterval{second(0), second(1)}, NextPageToken: "more"}, nil
	}
	return &fanoutv1.ListRunIntervalsResponse{Intervals: []*fanoutv1.RunInterval{second(2)}}, nil
}

// Pages come in order, each with the token of the next, up to the last.
func TestPages(t *testing.T) {
	t.Parallel()
	b := new(bookkeeper)
	c := newLives(t)
	c.start(t, b)
	var runs []string
	var seconds []run.Interval
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := c.List(t.Context(), 2, token)
		if err != nil {
			t.Fatalf("List(%q) = %v, want a page", token, err)
		}
		for _, r := range page {
			runs = append(runs, r.ID)
		}
		token = next
	}
	for token, first := "", true; first || token != ""; first = false {
		page, next, err := c.Intervals(t.Context(), "r-1", token)
		if err != nil {
			t.Fatalf("Intervals(%q) = %v, want a page", token, err)
		}
		seconds, token = append(seconds, page...), next
	}
	if diff := cmp.Diff([]string{"r-3", "r-2", "r-1"}, runs); diff != "" {
		t.Errorf("List(), -want +got:\n%s", diff)
	}
	var want []run.Interval
	for n := range int64(3) {
		want = append(want, run.Interval{Second: n, Tally: &tally.Snapshot{}, PlannedRate: float64(10 * n)})
	}
	if diff := cmp.Diff(want, seconds); diff != "" {
		t.Errorf("Intervals(), -want +got:\n%s", diff)
	}
	for _, size := range []int{-1, 0, 1 << 40} {
		if _, _, err := c.List(t.Context(), size, ""); err != nil {
			t.Errorf("List(%d) = %v, want a page", size, err)
		}
	}
	if diff := cmp.Diff([]int32{2, 2, 0, 0, 1000}, b.pages); diff != "" {
		t.Errorf("page sizes, -want +got:\n%s", diff)
	}
}

func TestDeleteAndVerify(t *testing.T) {
	t.Parallel()
	b := new(bookkeeper)
	c := newLives(t)
	c.start(t, b)
	if err := c.Delete(t.Context(), "r-1"); err != nil {
		t.Errorf("Delete() = %v, want no error", err)
	}
	wantCode(t, "Delete() of a run that goes on", c.Delete(t.Context(), "r-2"), codes.FailedPrecondition)
	checks, err := c.Verify(t.Context(), "r-1")
	want := []run.Check{{Name: "closure", OK: true, Detail: "r-1"}, {Name: "seconds", Detail: "9 of 10"}}
	if diff := cmp.Diff(want, checks); diff != "" || err != nil {
		t.Errorf("Verify() = %v and, -want +got:\n%s", err, diff)
	}
	if diff := cmp.Diff([]string{"delete r-1"}, b.asked); diff != "" {
		t.Errorf("the coordinator was asked to, -want +got:\n%s", diff)
	}
}

// What may be repeated is, for some seconds, at a coordinator that is not there; what may not be, is not.
func TestCallsToACoordinatorThatIsStartedAgain(t *testing.T) {
	t.Parallel()
	about := run.NewRun{RequestID: "once", OnWorkerLoss: run.Continue, Plan: urls("http://a.test/")}
	unnamed := about
	unnamed.RequestID = ""
	creates := func(about run.NewRun) func(context.Context, *lives) error {
		return func(ctx context.Context, c *lives) error {
			created, err := c.Create(ctx, about)
			if err == nil && created.ID != "r-1" {
				return fmt.Errorf("Create() = run %q, want r-1", created.ID)
			}
			return err
		}
	}
	cancels := func(ctx context.Context, c *lives) error { return c.Cancel(ctx, "r-1") }
	finds := func(ctx context.Context, c *lives) error { _, err := c.Find(ctx, "r-1"); return err }
	for _, tt := range []struct {
		name  string
		call  func(context.Context, *lives) error
		after time.Duration // when it is back
		code  codes.Code
		most  time.Duration
		asked []string
	}{
		{"create", creates(about), 0, codes.OK, 0, []string{"create once ON_WORKER_LOSS_CONTINUE"}},
		{"create, back in time", creates(about), time.Second, codes.OK, 3 * time.Second, []string{"create once ON_WORKER_LOSS_CONTINUE"}},
		{"create, back too late", creates(about), 5 * time.Second, codes.Unavailable, 3 * time.Second, nil},
		{"create without a request_id", creates(unnamed), time.Second, codes.Unavailable, 0, nil},
		{"cancel, back in time", cancels, 8 * time.Second, codes.OK, 10 * time.Second, []string{"cancel r-1"}},
		{"cancel, back too late", cancels, 15 * time.Second, codes.Unavailable, 10 * time.Second, nil},
		{"find", finds, time.Second, codes.Unavailable, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := new(bookkeeper)
				c := newLives(t)
				back := make(chan struct{})
				go func() {
					defer close(back)
					time.Sleep(tt.after)
					c.start(t, b)
				}()
				synctest.Wait()
				begun := time.Now()
				wantCode(t, tt.name, tt.call(t.Context(), c), tt.code)
				if took := time.Since(begun); took > tt.most {
					t.Errorf("%s took %v, want at most %v", tt.name, took, tt.most)
				}
				<-back
				if diff := cmp.Diff(tt.asked, b.asked); diff != "" {
					t.Errorf("the coordinator was asked to, -want +got:\n%s", diff)
				}
			})
		})
	}
}
