package main

import (
	"testing"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
)

// A coordinator finds nothing wrong with a recording: the run passes, with every slot.
func TestRecordingPasses(t *testing.T) {
	t.Parallel()
	const slots = 3*recordedRate/2 + 123 // tallies within and at the edge of a second, and an end amid a batch
	w := newRecordedWorker(slots)
	workers, err := coordinator.ParseWorkers(serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, w) }))
	if err != nil {
		t.Fatal(err)
	}
	c, err := coordinator.New(t.Context(), coordinator.Config{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client := fanoutv1.NewCoordinatorServiceClient(connect(t, serve(t, c.Register)))
	for range 2 { // a recording may be sent again
		if err := ingest(t.Context(), client, slots); err != nil {
			t.Error(err)
		}
	}
	if err := ingest(t.Context(), client, slots+1); err == nil {
		t.Error("a run that the recording is not of has no error")
	}
}

func TestRecordingIsInOrder(t *testing.T) {
	t.Parallel()
	messages := record(recordedTally + 1)
	// the batches up to the tally, the tally, one batch of one row, finished
	if want := recordedTally/recordedBatch + 1 + 1 + 1; len(messages) != want {
		t.Fatalf("%d messages, want %d", len(messages), want)
	}
	for i, m := range messages {
		if m.GetSequence() != int64(i+2) {
			t.Fatalf("message %d has sequence %d, want %d: the first message of the stream is not recorded", i, m.GetSequence(), i+2)
		}
	}
}
