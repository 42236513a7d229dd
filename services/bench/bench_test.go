// Benchmarks of the two ends of the stream over real gRPC on loopback, in one process: how much a worker sends, and how much a
// coordinator takes in. README.md has the method and the results.

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

// batchRows is the outcomes in a message: what a busy worker sends.
const batchRows = 500

// serve serves on a loopback port until the benchmark's end.
func serve(b testing.TB, register func(grpc.ServiceRegistrar)) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(l) }()
	b.Cleanup(server.Stop)
	return l.Addr().String()
}

func connect(b testing.TB, address string) *grpcdial.Conn {
	b.Helper()
	conn, err := grpcdial.New(address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

// BenchmarkStream is a worker's whole way: 64 senders, a target in the same process, every outcome streamed to a client.
func BenchmarkStream(b *testing.B) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "The count is: 1\n") })}
	go func() { _ = server.Serve(target) }()
	b.Cleanup(func() { _ = server.Close() })
	address := serve(b, worker.New(worker.Config{}).Register)
	client := fanoutv1.NewWorkerServiceClient(connect(b, address))
	b.ReportAllocs()
	b.ResetTimer()
	stream, err := client.FanOut(b.Context(), &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: "http://" + target.Addr().String() + "/"}},
		Load: &fanoutv1.Load{
			Requests: int64(b.N),
			Shape:    &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: 64}},
		},
	}})
	if err != nil {
		b.Fatal(err)
	}
	rows := 0
	for {
		message, err := stream.Recv()
		if err != nil {
			break
		}
		rows += len(message.GetOutcomes().GetOutcomes())
	}
	if rows != b.N {
		b.Fatalf("%d outcomes, want %d", rows, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// tirelessWorker streams outcomes that it makes as fast as they are taken, of slots that are granted all at once.
type tirelessWorker struct {
	fanoutv1.UnimplementedWorkerServiceServer
	*played
}

func (w *tirelessWorker) RenewLease(ctx context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	return w.played.RenewLease(ctx, request)
}

func (w *tirelessWorker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	return &fanoutv1.GetWorkerResponse{InstanceId: "tireless", Protocol: wire.Protocol, ClockNanos: w.clock()}, nil
}

func (w *tirelessWorker) FanOut(request *fanoutv1.FanOutRequest, stream grpc.ServerStreamingServer[fanoutv1.FanOutResponse]) error {
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
	granted, sequence := grants[0].GetCount(), int64(1)
	left := granted
	var (
		sum     tally.Tally
		seconds []tally.Tally // slots are due a microsecond apart
	)
	for slot := int64(0); left > 0 && err == nil; {
		batch := &fanoutv1.OutcomeBatch{}
		for range min(left, batchRows) {
			o := outcome.Outcome{
				Slot: slot, Status: 200, Due: time.Duration(slot) * time.Microsecond, Lateness: 20 * time.Microsecond,
				FirstByte: time.Duration(100+slot%900) * time.Microsecond, Service: time.Duration(110+slot%900) * time.Microsecond, ReceivedBytes: 16,
			}
			sum.Add(&o, "")
			sum.Records++
			for int64(len(seconds)) <= o.Second() {
				seconds = append(seconds, tally.Tally{})
			}
			seconds[o.Second()].Add(&o, "")
			batch.Outcomes = append(batch.Outcomes, wire.OutcomeProto(&o))
			slot++
			left--
		}
		sequence++
		err = stream.Send(&fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: batch}})
	}
	if err != nil {
		return err
	}
	sum.Counts.Planned = sum.Counts.Responses
	final := sum.Snapshot(true)
	for i := range seconds {
		final.Seconds = append(final.Seconds, tally.Second{Second: int64(i), Tally: seconds[i].Snapshot(true)})
	}
	return stream.Send(&fanoutv1.FanOutResponse{Sequence: sequence + 1, Event: &fanoutv1.FanOutResponse_Finished{
		Finished: &fanoutv1.FanOutFinished{
			Tally: wire.SnapshotProto(final), Reason: fanoutv1.FinishReason_FINISH_REASON_COMPLETED, GrantedCount: granted,
		},
	}})
}

// leasedShard is a shard with a lease.
func leasedShard(lease string) *fanoutv1.Shard {
	return &fanoutv1.Shard{RunId: "run", ShardId: "0", LeaseId: lease, LeaseDuration: durationpb.New(shardLease)}
}

// BenchmarkIngest is a coordinator's whole way: outcomes from a worker that only makes them, until the run has ended. The
// time has both ends of the stream in it, and about 250 ms before the start.
func BenchmarkIngest(b *testing.B) {
	w := &tirelessWorker{played: newPlayed()}
	address := serve(b, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, w) })
	workers, err := coordinator.ParseWorkers(address)
	if err != nil {
		b.Fatal(err)
	}
	c, err := coordinator.New(b.Context(), coordinator.Config{Workers: workers})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	client := fanoutv1.NewCoordinatorServiceClient(connect(b, serve(b, c.Register)))
	b.ReportAllocs()
	b.ResetTimer()
	const rows = 1_000_000
	for range b.N {
		if err := ingest(b.Context(), client, rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/outcome")
}

func ingest(ctx context.Context, client fanoutv1.CoordinatorServiceClient, rows int64) error {
	created, err := client.CreateRun(ctx, &fanoutv1.CreateRunRequest{Plan: &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: "http://127.0.0.1/"}},
		Load:     &fanoutv1.Load{Requests: rows},
	}})
	if err != nil {
		return err
	}
	stream, err := client.WatchRun(ctx, &fanoutv1.WatchRunRequest{RunId: created.GetRun().GetId()})
	if err != nil {
		return err
	}
	var last *fanoutv1.Run
	for {
		message, err := stream.Recv()
		if err != nil {
			break
		}
		last = message.GetRun()
	}
	if last.GetVerdict() != fanoutv1.Verdict_VERDICT_PASSED || last.GetTally().GetCounts().GetResponses() != rows {
		return fmt.Errorf("the run ended %v: %s", last.GetVerdict(), last.GetVerdictReason())
	}
	return nil
}
