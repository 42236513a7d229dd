package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// recordedWorker is a WorkerService that sends nothing to any target: it streams one recording as fast as it is taken.
type recordedWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
	born     time.Time
	slots    int64
	messages []*fanoutv1.FanOutResponse // of slots 0 to slots - 1
}

// serveRecorded serves a recordedWorker.
func serveRecorded(ctx context.Context, args []string, l net.Listener) (func(io.Writer) error, error) {
	flags := flag.NewFlagSet("serve-recorded", flag.ContinueOnError)
	slots := flags.Int64("slots", 0, "slots of the recorded call")
	if err := parse(flags, args); err != nil {
		return nil, err
	}
	s := grpc.NewServer()
	fanoutv1.RegisterWorkerServiceServer(s, &recordedWorker{born: time.Now(), slots: *slots, messages: record(*slots)})
	defer context.AfterFunc(ctx, s.Stop)()
	return nil, s.Serve(l)
}

// GetWorker says who this is, and what its clock reads: the run starts by it.
func (w *recordedWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "recorded", Version: "recorded", ClockNanos: int64(time.Since(w.born))}, nil
}

// FanOut streams the recording from the run's start on. It refuses whatever it was not recorded of.
func (w *recordedWorker) FanOut(request *fanoutv1.FanOutRequest, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
	grants := request.GetShard().GetGrants()
	if len(grants) != 1 || grants[0].GetFirstSlot() != 0 || grants[0].GetStride() != 1 || grants[0].GetCount() != w.slots {
		return status.Error(codes.InvalidArgument, fmt.Sprintf("the recording is of slots 0 to %d", w.slots-1))
	}
	if err := stream.Send(w.messages[0]); err != nil {
		return err
	}
	start := w.born.Add(time.Duration(request.GetShard().GetStartClockNanos()))
	timer := time.NewTimer(time.Until(start))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	for _, m := range w.messages[1:] {
		if err := stream.Send(m); err != nil {
			return err
		}
	}
	return nil
}
