// Package client is how a program uses a coordinator and a worker: create a run and watch it, or fan out straight to one
// worker and take each outcome as it comes. It speaks in plain types; the connections are the caller's.
package client

import (
	"context"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Coordinator is a client of a CoordinatorService. It is safe for concurrent use. What may be repeated it repeats at a
// coordinator that is not there for a moment, as one that is started again is.
type Coordinator struct {
	// Away is told why a Watch has lost the coordinator and for how long it waits for it, once for each time. It is set before the
	// first call; nil tells nobody.
	Away func(err error, wait time.Duration)

	client fanoutv1.CoordinatorServiceClient
	redial func() // makes a connection that is down try again at once
}

// NewCoordinator makes a client over the connection.
func NewCoordinator(conn grpc.ClientConnInterface) *Coordinator {
	return &Coordinator{client: fanoutv1.NewCoordinatorServiceClient(conn), redial: redialOf(conn)}
}

// callTimeout is how long a coordinator has to answer: longer than any answer takes, shorter than a person waits.
const callTimeout = 10 * time.Second

// Create creates a run. With a RequestID it is repeated for 3 s while the coordinator is not there; without one a second run
// could come of it.
func (c *Coordinator) Create(ctx context.Context, about run.NewRun) (*run.Run, error) {
	var response *fanoutv1.CreateRunResponse
	create := func() (err error) {
		response, err = answer(ctx, c.client.CreateRun, wire.NewRunProto(&about))
		return err
	}
	patience := createPatience
	if about.RequestID == "" {
		patience = 0
	}
	if err := c.persist(ctx, patience, create); err != nil {
		return nil, err
	}
	return wire.Run(response.GetRun()), nil
}

// Find is the run with everything known of it.
func (c *Coordinator) Find(ctx context.Context, id string) (*run.Run, error) {
	request := &fanoutv1.GetRunRequest{RunId: id, View: fanoutv1.RunView_RUN_VIEW_FULL}
	response, err := answer(ctx, c.client.GetRun, request)
	if err != nil {
		return nil, err
	}
	return wire.Run(response.GetRun()), nil
}

// List is a page of at most so many runs, newest first and without histogram buckets, and the token of the next page. The first
// page has the token "", and so has the one after the last.
func (c *Coordinator) List(ctx context.Context, pageSize int, token string) (runs []*run.Run, next string, err error) {
	request := &fanoutv1.ListRunsRequest{PageSize: int32(min(max(pageSize, 0), maxPage)), PageToken: token}
	response, err := answer(ctx, c.client.ListRuns, request)
	if err != nil {
		return nil, "", err
	}
	for _, pb := range response.GetRuns() {
		runs = append(runs, wire.Run(pb))
	}
	return runs, response.GetNextPageToken(), nil
}

// maxPage is the most that a coordinator puts into a page.
const maxPage = 1000

// Intervals is a page of the run's seconds, oldest first, and the token of the next page. The first page has the token "", and so
// has the one after the last. A page has the coordinator's default size: a second of a run with many groups is long.
func (c *Coordinator) Intervals(ctx context.Context, id, token string) (intervals []run.Interval, next string, err error) {
	request := &fanoutv1.ListRunIntervalsRequest{RunId: id, PageToken: token}
	response, err := answer(ctx, c.client.ListRunIntervals, request)
	if err != nil {
		return nil, "", err
	}
	for _, pb := range response.GetIntervals() {
		intervals = append(intervals, wire.Interval(pb))
	}
	return intervals, response.GetNextPageToken(), nil
}

// Cancel ends a run cleanly. It is repeated for 10 s while the coordinator is not there.
func (c *Coordinator) Cancel(ctx context.Context, id string) error {
	return c.persist(ctx, cancelPatience, func() error {
		_, err := answer(ctx, c.client.CancelRun, &fanoutv1.CancelRunRequest{RunId: id})
		return err
	})
}

// Delete forgets a run that has ended.
func (c *Coordinator) Delete(ctx context.Context, id string) error {
	_, err := answer(ctx, c.client.DeleteRun, &fanoutv1.DeleteRunRequest{RunId: id})
	return err
}

// Verify checks what is stored of a run that has ended against itself.
func (c *Coordinator) Verify(ctx context.Context, id string) ([]run.Check, error) {
	response, err := answer(ctx, c.client.VerifyRun, &fanoutv1.VerifyRunRequest{RunId: id})
	if err != nil {
		return nil, err
	}
	var checks []run.Check
	for _, pb := range response.GetChecks() {
		checks = append(checks, wire.Check(pb))
	}
	return checks, nil
}

// answer is what a call answers within callTimeout.
func answer[Q, A any](ctx context.Context, call func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return call(ctx, request)
}
