package coordinator

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	defaultPage = 50
	maxPage     = 1000
	// pageBytes ends a page early: a run may have a plan of 3 MiB, and gRPC takes 4 MiB unless told otherwise.
	pageBytes = 3 << 20
	// readAtOnce is how many runs are read from the store for a page at a time: each may have a plan of 3 MiB, and there may be a
	// thousand, of which the page takes one.
	readAtOnce = 8
)

// ListRuns returns the runs, newest first.
func (c *Coordinator) ListRuns(ctx context.Context, request *fanoutv1.ListRunsRequest) (*fanoutv1.ListRunsResponse, error) {
	size, from, err := page(request.GetPageSize(), request.GetPageToken(), "runs")
	if err != nil {
		return nil, err
	}
	response := &fanoutv1.ListRunsResponse{}
	bytes, more := 0, true
	for more && len(response.Runs) < size {
		var found []*runs.Run
		if found, more, err = c.registry.Page(ctx, from, min(size-len(response.Runs), readAtOnce)); err != nil {
			return nil, c.storeError("listing runs", err)
		}
		for _, r := range found {
			one := fittingRun(r.Current(false), false)
			if bytes += proto.Size(one); bytes > pageBytes && len(response.Runs) > 0 {
				response.NextPageToken = token("runs", from)
				return response, nil
			}
			response.Runs = append(response.Runs, one)
			from = r.Number()
		}
	}
	if more {
		response.NextPageToken = token("runs", from)
	}
	return response, nil
}

// ListRunIntervals returns the run's figures by the second, oldest first.
func (c *Coordinator) ListRunIntervals(ctx context.Context, request *fanoutv1.ListRunIntervalsRequest) (*fanoutv1.ListRunIntervalsResponse, error) {
	found, err := c.find(ctx, request.GetRunId())
	if err != nil {
		return nil, err
	}
	size, from, err := page(request.GetPageSize(), request.GetPageToken(), "intervals")
	if err != nil {
		return nil, err
	}
	intervals, more, err := found.Intervals(ctx, from, size)
	if err != nil {
		return nil, c.storeError("reading a run's intervals", err)
	}
	response := &fanoutv1.ListRunIntervalsResponse{}
	bytes := 0
	for _, interval := range intervals {
		one := wire.IntervalProto(interval)
		if bytes += proto.Size(one); bytes > pageBytes && len(response.Intervals) > 0 {
			more = true
			break
		}
		response.Intervals = append(response.Intervals, one)
	}
	if more {
		response.NextPageToken = token("intervals", from+int64(len(response.Intervals)))
	}
	return response, nil
}

// asksAtOnce is how many callers have the workers asked at once, over connections of their own: a worker takes 1,024.
const asksAtOnce = 4

// ListWorkers asks each worker who it is, all at once. Of many callers the next waits for one before it.
func (c *Coordinator) ListWorkers(ctx context.Context, _ *fanoutv1.ListWorkersRequest) (*fanoutv1.ListWorkersResponse, error) {
	select {
	case c.asks <- struct{}{}:
		defer func() { <-c.asks }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	addresses, err := c.config.Workers.Resolve(ctx)
	if err != nil {
		return nil, rpcerr.NoWorkers(err.Error())
	}
	workers := make([]*fanoutv1.WorkerInfo, len(addresses))
	var all sync.WaitGroup
	for i, address := range addresses {
		all.Go(func() { workers[i] = c.ask(ctx, address) })
	}
	all.Wait()
	return &fanoutv1.ListWorkersResponse{Workers: workers}, nil
}

func (c *Coordinator) ask(ctx context.Context, address string) *fanoutv1.WorkerInfo {
	info := &fanoutv1.WorkerInfo{Address: address}
	worker, err := dispatch.Reach(ctx, c.config.Dial, address, c.config.Version)
	if err != nil {
		info.Failure = &fanoutv1.WorkerFailure{
			Class: fanoutv1.WorkerFailureClass_WORKER_FAILURE_CLASS_UNREACHABLE, Message: err.Error(),
		}
		return info
	}
	defer worker.Close()
	info.Worker, info.RoundTripDuration = worker.Info, durationpb.New(worker.Trip)
	return info
}

// page checks a page's size and token; the token is the list's name and where the page begins.
func page(size int32, text, list string) (int, int64, error) {
	if size < 0 {
		return 0, 0, rpcerr.Invalid([]wire.Violation{{
			Field: "page_size", Description: fmt.Sprintf("%d is negative; use 1 to %d, or 0 for %d", size, maxPage, defaultPage),
		}})
	}
	if size == 0 {
		size = defaultPage
	}
	if text == "" {
		return int(min(size, maxPage)), 0, nil
	}
	number, ok := strings.CutPrefix(text, list+"-")
	from, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || from < 0 {
		return 0, 0, rpcerr.Invalid([]wire.Violation{{
			Field: "page_token", Description: fmt.Sprintf("%.80q is not a next_page_token of this method", text),
		}})
	}
	return int(min(size, maxPage)), from, nil
}

func token(list string, from int64) string { return fmt.Sprintf("%s-%d", list, from) }
