package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Call is one direct call to a WorkerService: the whole plan on one worker. FanOut is called once; Stop is safe to call at any
// time, from anywhere.
type Call struct {
	client fanoutv1.WorkerServiceClient
	runID  chan string // capacity 1: the call's name for Stop, once it is known
}

// NewCall makes a client over the connection.
func NewCall(conn grpc.ClientConnInterface) *Call {
	return &Call{client: fanoutv1.NewWorkerServiceClient(conn), runID: make(chan string, 1)}
}

// FanOut sends the plan's requests and calls each with every outcome as it comes, from the calling goroutine. The outcome is each's
// until it returns, and what it points to for as long as it likes. FanOut returns the final tally; without one, because the stream
// ended before finished, it returns an error. An error of each ends the call, and gives up its account.
func (c *Call) FanOut(ctx context.Context, p *plan.Plan, each func(*outcome.Outcome) error) (*tally.Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: wire.PlanProto(p)})
	if err != nil {
		return nil, err
	}
	var (
		final *tally.Snapshot
		rows  []outcome.Outcome
	)
	for {
		encoded, err := wire.Receive(stream)
		switch {
		case err != nil && final != nil:
			return final, nil
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("the worker's stream ended without finished")
		case err != nil:
			return nil, err
		}
		_, read, message, err := wire.ReadResponse(encoded, rows[:0])
		if err != nil {
			return nil, fmt.Errorf("the worker sent what is not a message of its stream: %w", err)
		}
		switch event := message.GetEvent().(type) {
		case *fanoutv1.FanOutResponse_Started:
			select {
			case c.runID <- event.Started.GetRunId():
			default: // it is known
			}
		case *fanoutv1.FanOutResponse_Finished:
			final = wire.Snapshot(event.Finished.GetTally())
		}
		for i := range read {
			if err := each(&read[i]); err != nil {
				return nil, err
			}
		}
		clear(read) // what an outcome points to may be the callee's now
		rows = read
	}
}

// Stop ends the call of FanOut cleanly, as soon as it has started.
func (c *Call) Stop(ctx context.Context) error {
	select {
	case id := <-c.runID:
		c.runID <- id
		_, err := c.client.StopFanOut(ctx, &fanoutv1.StopFanOutRequest{RunId: id})
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
