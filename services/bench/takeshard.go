package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// takeShardName is the hidden subcommand that has a worker carry out one shard, a closed loop of 64 senders, and takes its stream as a
// coordinator does.
const takeShardName = "take-shard"

const (
	// shardLead is how long before its start a shard is sent.
	shardLead = 100 * time.Millisecond
	// shardLease is the lease that a coordinator gives.
	shardLease = 8 * time.Second
	// inHand is how many slots a leased shard has in hand after each renewal: more than any worker sends in a lease.
	inHand = 2_000_000
)

// taken is what a shard came to.
type taken struct {
	Rows      int64 // outcomes that the stream brought one by one
	Responses int64 // of the final tally
	Settled   int64
	Renewals  int64
}

// shardCall is one FanOut call with or without a lease.
type shardCall struct {
	client fanoutv1.WorkerServiceClient
	conn   *grpcdial.Conn
	plan   *fanoutv1.Plan
	leased bool

	taken taken
	acked atomic.Int64 // the seconds before it are complete
}

// takeShard is the subcommand. It prints what was taken as JSON.
func takeShard(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(takeShardName, flag.ContinueOnError)
	worker := flags.String("worker", "", "the worker's address")
	url := flags.String("url", "", "the target")
	length := flags.Duration("length", time.Second, "of the load")
	leased := flags.Bool("leased", false, "open the shard with a lease")
	err := parse(flags, args)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, *length+runSlack)
		defer cancel()
		var t *taken
		if t, err = takeShardOf(ctx, *worker, *url, *length, *leased); err == nil {
			err = json.NewEncoder(stdout).Encode(t)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

func takeShardOf(ctx context.Context, worker, url string, length time.Duration, leased bool) (*taken, error) {
	conn, err := grpcdial.New(worker)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	s := &shardCall{
		client: fanoutv1.NewWorkerServiceClient(conn), conn: conn, leased: leased,
		plan: &fanoutv1.Plan{
			Requests: []*fanoutv1.Request{{Url: url, Method: http.MethodGet}},
			Load: &fanoutv1.Load{
				Duration: durationpb.New(length), Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: connections}},
			},
		},
	}
	return &s.taken, s.run(ctx)
}

// run opens the shard, and takes its stream to the end.
func (s *shardCall) run(ctx context.Context) error {
	who, err := s.client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{})
	if err != nil {
		return err
	}
	shard := &fanoutv1.Shard{RunId: rand.Text(), ShardId: "0", Concurrency: connections}
	start := who.GetClockNanos() + int64(shardLead)
	if s.leased {
		shard.LeaseDuration = durationpb.New(shardLease)
	} else {
		shard.StartClockNanos, shard.Grants = start, []*fanoutv1.Grant{{Stride: 1}} // without end
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.conn.NewStream(ctx, &fanoutv1.WorkerService_ServiceDesc.Streams[0], fanoutv1.WorkerService_FanOut_FullMethodName)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&fanoutv1.FanOutRequest{Plan: s.plan, Shard: shard}); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return s.take(ctx, stream, start)
}

// take reads the stream, as package dispatch of the coordinator does, and keeps the lease, if there is one.
func (s *shardCall) take(ctx context.Context, stream interface{ RecvMsg(any) error }, start int64) error {
	var (
		rows  []outcome.Outcome
		keep  keeper
		final *tally.Snapshot
	)
	defer keep.end()
	for final == nil {
		encoded, err := wire.Receive(stream)
		if err != nil {
			return err
		}
		_, read, event, err := wire.ReadResponse(encoded, rows[:0])
		if err != nil {
			return err
		}
		s.taken.Rows += int64(len(read))
		rows = read
		clear(rows)
		switch event := event.GetEvent().(type) {
		case *fanoutv1.FanOutResponse_Started:
			if s.leased {
				keep.begin(ctx, s, event.Started.GetLeaseId(), start)
			}
		case *fanoutv1.FanOutResponse_Tally:
			s.noteSeconds(wire.Snapshot(event.Tally))
		case *fanoutv1.FanOutResponse_Finished:
			final = wire.Snapshot(event.Finished.GetTally())
		}
	}
	s.taken.Responses, s.taken.Settled = final.Counts.Responses, final.Counts.Settled()
	s.taken.Renewals = keep.end()
	return s.release(ctx, keep.lease)
}

// noteSeconds notes which seconds are complete.
func (s *shardCall) noteSeconds(t *tally.Snapshot) {
	for _, second := range t.Seconds {
		if second.Complete {
			s.acked.Store(max(s.acked.Load(), second.Second+1))
		}
	}
}

// release lets the worker forget the shard.
func (s *shardCall) release(ctx context.Context, lease string) error {
	if !s.leased {
		return nil
	}
	_, err := s.client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: lease, Release: true})
	return err
}
