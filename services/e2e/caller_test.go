package e2e

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func workerClient(t *testing.T, address string) fanoutv1.WorkerServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return fanoutv1.NewWorkerServiceClient(conn)
}

// A Go caller with 200 ms and fifty URLs, some of which take a second, gets the fast ones, RUN_DEADLINE for the others, and
// finished. It has the package's processes to itself, and calls during which the machine stood still for a tenth of that time
// say nothing.
func TestCallerWithADeadline(t *testing.T) {
	o, w := oracle(t), start(t, "worker")
	client := workerClient(t, w.address)
	for attempts, calls := 0, 0; calls < 5; attempts++ {
		if attempts == 100 {
			t.Skipf("the machine stood still in %d of 100 calls", 100-calls)
		}
		plan := &fanoutv1.Plan{}
		for i := range 50 {
			url := o.URL() + "/ok"
			if i%5 == 0 {
				url = o.URL() + "/delay/1s"
			}
			plan.Requests = append(plan.Requests, &fanoutv1.Request{Url: url})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		still := watchTime(ctx)
		responses, deadlines, finished, err := gather(ctx, client, plan)
		cancel()
		if stood := <-still; stood > 20*time.Millisecond {
			t.Logf("the machine stood still for %v", stood)
			continue
		}
		calls++
		// The account is complete with finished; whether gRPC's own end still comes before the deadline says nothing about it.
		if responses != 40 || deadlines != 10 || finished == nil {
			t.Errorf("FanOut = %d responses, %d RUN_DEADLINE, finished %v, %v, want 40, 10 and finished", responses, deadlines, finished != nil, err)
		}
	}
}

// watchTime tells, when ctx ends, how late the latest of many short sleeps was: how long this process had no processor.
func watchTime(ctx context.Context) <-chan time.Duration {
	worst := make(chan time.Duration, 1)
	go func() {
		late := time.Duration(0)
		for last := time.Now(); ctx.Err() == nil; {
			time.Sleep(time.Millisecond)
			now := time.Now()
			late = max(late, now.Sub(last)-time.Millisecond)
			last = now
		}
		worst <- late
	}()
	return worst
}

// gather makes a call and takes all that it brings; err is nil if the stream came to its end.
func gather(ctx context.Context, client fanoutv1.WorkerServiceClient, plan *fanoutv1.Plan) (responses, deadlines int, finished *fanoutv1.FanOutFinished, err error) {
	stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: plan})
	if err != nil {
		return 0, 0, nil, err
	}
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return responses, deadlines, finished, nil
		}
		if err != nil {
			return responses, deadlines, finished, err
		}
		for _, o := range message.GetOutcomes().GetOutcomes() {
			switch {
			case o.GetError() == fanoutv1.ErrorClass_ERROR_CLASS_RUN_DEADLINE:
				deadlines++
			case o.GetStatus() == 200:
				responses++
			}
		}
		if message.GetFinished() != nil {
			finished = message.GetFinished()
		}
	}
}

// Whoever stops reading a call gives up its account, and the requests stop.
func TestCancellingACallStopsItsRequests(t *testing.T) {
	t.Parallel()
	o, w := oracle(t), start(t, "worker")
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := workerClient(t, w.address).FanOut(ctx, &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: o.URL() + "/delay/10ms"}},
		Load: &fanoutv1.Load{
			Requests: 1_000_000,
			Shape:    &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: 10}},
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for o.Ledger().Total() < 50 {
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	time.Sleep(2 * time.Second)
	before := o.Ledger().Total()
	time.Sleep(300 * time.Millisecond)
	if after := o.Ledger().Total(); after != before {
		t.Errorf("the target saw %d requests later than 2 s after the cancel", after-before)
	}
}
