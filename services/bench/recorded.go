package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// recordedWorker is a WorkerService that sends nothing to any target: it streams one recording as fast as it is taken. It is for
// runs without a shape, whose slots are granted all at once.
type recordedWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
	*played
	slots    int64
	messages []*fanoutv1.FanOutResponse // of slots 0 to slots - 1, from the second message on
}

func newRecordedWorker(slots int64) *recordedWorker {
	return &recordedWorker{played: newPlayed(), slots: slots, messages: record(slots)}
}

// serveRecorded serves a recordedWorker.
func serveRecorded(ctx context.Context, args []string, l *announcingListener) (func(io.Writer) error, error) {
	flags := flag.NewFlagSet("serve-recorded", flag.ContinueOnError)
	slots := flags.Int64("slots", 0, "slots of the recorded call")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	s := grpc.NewServer()
	fanoutv1.RegisterWorkerServiceServer(s, newRecordedWorker(*slots))
	defer context.AfterFunc(ctx, s.Stop)()
	return nil, s.Serve(l)
}

// RenewLease is that of the leases that are played.
func (w *recordedWorker) RenewLease(ctx context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	return w.played.RenewLease(ctx, request)
}

// GetWorker says who this is, and what its clock reads: the run starts by it.
func (w *recordedWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "recorded", Version: "recorded", Protocol: wire.Protocol, ClockNanos: w.clock()}, nil
}

// FanOut opens a lease, and streams the recording from the run's start on. It refuses slots that it was not recorded of.
func (w *recordedWorker) FanOut(request *fanoutv1.FanOutRequest, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	l, err := w.open(request.GetShard())
	if err != nil {
		return err
	}
	if err := stream.Send(startedWith(request, l)); err != nil {
		return err
	}
	grants, err := w.await(stream.Context(), l)
	if err != nil {
		return err
	}
	if len(grants) != 1 || grants[0].GetFirstSlot() != 0 || grants[0].GetStride() != 1 || grants[0].GetCount() != w.slots {
		return status.Error(codes.InvalidArgument, fmt.Sprintf("the recording is of slots 0 to %d", w.slots-1))
	}
	for _, m := range w.messages {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// startedWith is the first message of the stream of a shard that was opened.
func startedWith(request *fanoutv1.FanOutRequest, l *playedLease) *fanoutv1.FanOutResponse {
	return &fanoutv1.FanOutResponse{Sequence: 1, Event: &fanoutv1.FanOutResponse_Started{
		Started: &fanoutv1.FanOutStarted{RunId: request.GetShard().GetRunId(), LeaseId: l.id},
	}}
}
