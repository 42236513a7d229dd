package worker_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// Who has the final message may release the lease at once, and then it is gone. It is not kept for an hour because the release came
// before the worker had noted that the shard is over.
func TestReleaseRightAfterTheEnd(t *testing.T) {
	t.Parallel()
	_, client := start(t, worker.Config{})
	for i := range 200 {
		stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{
			Plan:  planOf(closedLoop(10, 1), "http://127.0.0.1:1/"),
			Shard: &fanoutv1.Shard{RunId: "r", ShardId: fmt.Sprint(i), Concurrency: 1, LeaseDuration: durationpb.New(time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		id := ""
		for final := false; !final; {
			message, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if started := message.GetStarted(); started != nil {
				id = started.GetLeaseId()
				if _, err := client.RenewLease(t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: id, Stop: true}); err != nil {
					t.Fatal(err)
				}
			}
			final = message.GetFinished() != nil
		}
		if _, err := client.RenewLease(t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: id, Release: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.RenewLease(t.Context(), &fanoutv1.RenewLeaseRequest{LeaseId: id}); status.Code(err) != codes.NotFound {
			t.Fatalf("RenewLease of a lease that was released = %v, want NOT_FOUND", err)
		}
	}
}

// Of shards that are over and that nobody releases only the final messages are kept, and not their plans.
func TestShardsThatAreOverTakeLittleMemory(t *testing.T) { // not parallel: it measures the process
	const shards = 40
	_, client := start(t, worker.Config{})
	p := planOf(closedLoop(10, 1), "http://127.0.0.1:1/")
	p.Requests = append(p.Requests, p.GetRequests()[0], p.GetRequests()[0])
	for i := range p.GetRequests() {
		p.Requests[i] = &fanoutv1.Request{Url: "http://127.0.0.1:1/", Body: &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: make([]byte, 900<<10)}}}
	}
	before := heap()
	for i := range shards {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{
			Plan: p, Shard: &fanoutv1.Shard{RunId: "r", ShardId: fmt.Sprint(i), Concurrency: 1, LeaseDuration: durationpb.New(time.Hour)},
		})
		if err != nil {
			t.Fatal(err)
		}
		for final := false; !final; {
			message, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if started := message.GetStarted(); started != nil {
				if _, err := client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: started.GetLeaseId(), Stop: true}); err != nil {
					t.Fatal(err)
				}
			}
			final = message.GetFinished() != nil
		}
		cancel()
	}
	const most = 20 << 20 // the plans are more than 100 MB
	if grown := heap() - before; grown > most {
		t.Errorf("%d shards that are over hold %d bytes, want at most %d", shards, grown, most)
	}
}

// heap is how much of the heap is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
