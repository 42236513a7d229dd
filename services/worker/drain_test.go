package worker_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// An account that nobody fetches is waited for no longer than its lease would have lasted.
func TestDrainDoesNotWaitForAccountsThatNobodyWants(t *testing.T) {
	t.Parallel()
	w, client := start(t, worker.Config{})
	stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{
		Plan: planOf(closedLoop(10, 1), "http://127.0.0.1:1/"),
		Shard: &fanoutv1.Shard{
			RunId: "r", ShardId: "s", Concurrency: 1, LeaseDuration: durationpb.New(time.Second),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for final := false; !final; { // nobody renews the lease, and nobody releases it
		message, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		final = message.GetFinished() != nil
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		w.Drain(t.Context())
	}()
	select {
	case <-drained:
	case <-time.After(15 * time.Second):
		t.Error("Drain still waits 15 s after a lease of 1 s was over")
	}
}
