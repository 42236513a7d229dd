package hostile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker"
)

// unread is how long a message waits for its reader in these tests.
const unread = 500 * time.Millisecond

// watchedLog is a log that tells of the lines with a text. A line has its message and its attributes.
type watchedLog struct {
	slog.Handler
	text  string
	lines chan string
}

func watchLog(text string) *watchedLog {
	return &watchedLog{slog.NewTextHandler(io.Discard, nil), text, make(chan string, 100)}
}

// Handle implements slog.Handler.
func (l *watchedLog) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	if strings.Contains(line, l.text) {
		l.lines <- line
	}
	return nil
}

// await waits for a line.
func (l *watchedLog) await(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l.lines:
		return line
	case <-time.After(patience):
		t.Fatalf("no line with %q came; goroutines:\n%s", l.text, stacks())
		return ""
	}
}

// counting is a dialer that refuses each connection and counts them.
func counting() (*egress.Dialer, *atomic.Int64) {
	count := new(atomic.Int64)
	d := refusing()
	d.DialContext = func(context.Context, string, string) (net.Conn, error) {
		count.Add(1)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return d, count
}

// endless is a load that goes on for so long, and whose outcomes fill every window at once.
func endless(d time.Duration, slow fanoutv1.SlowStream) *fanoutv1.Plan {
	return &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: "http://192.0.2.1/"}},
		Load:     &fanoutv1.Load{Duration: durationpb.New(d), Shape: closed(8)},
		Outcomes: &fanoutv1.OutcomeOptions{SlowStream: slow},
	}
}

func TestACallThatNobodyReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	log := watchLog("stream broke off")
	one := plan.DefaultCaps()
	one.Calls = 1
	dialer, dials := counting()
	client := startWorker(t, worker.Config{Caps: one, Dialer: dialer, Unread: unread, Log: slog.New(log)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: endless(time.Hour, fanoutv1.SlowStream_SLOW_STREAM_WAIT)})
	if err != nil {
		t.Fatal(err)
	}
	if line := log.await(t); !strings.Contains(line, "counts=") || !strings.Contains(line, "nobody has read this stream") {
		t.Errorf("the log says %q, want the counts and why", line)
	}
	if dials.Load() == 0 {
		t.Error("nothing was sent, so the call was not given up in its middle")
	}
	// The only place is free: somebody else's call is taken and ends.
	within(t, func(ctx context.Context) {
		for {
			other, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: "http://192.0.2.1/"}}}})
			if err != nil {
				t.Fatal(err)
			}
			a := account{t: t}
			if err := a.read(other); err == nil {
				a.end()
				return
			} else if code := status.Code(err); code != codes.ResourceExhausted && code != codes.Aborted { // full still, or this test was too slow
				t.Fatalf("another call = %v, want it served", err)
			}
		}
	})
	before := dials.Load()
	if err := (&account{t: t}).read(stream); status.Code(err) != codes.Aborted {
		t.Errorf("who reads at last gets %v, want ABORTED", err)
	}
	if after := dials.Load(); after != before {
		t.Errorf("%d requests were sent after the call was given up", after-before)
	}
}

// read reads a stream to its end.
func (a *account) read(stream grpc.ServerStreamingClient[fanoutv1.FanOutResponse]) error {
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		a.take(message)
	}
}

// With FOLD the load goes on, whoever reads; and who reads in the end has the whole account.
func TestACallThatFoldsGoesOnUnread(t *testing.T) {
	t.Parallel()
	dialer, dials := counting()
	client := startWorker(t, worker.Config{Dialer: dialer, Unread: unread})
	within(t, func(ctx context.Context) {
		stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: endless(6*unread, fanoutv1.SlowStream_SLOW_STREAM_FOLD)})
		if err != nil {
			t.Fatal(err)
		}
		timer := time.NewTimer(3 * unread) // nothing can be awaited: what shows is that nothing ends
		defer timer.Stop()
		<-timer.C
		before := dials.Load()
		a := account{t: t}
		if err := a.read(stream); err != nil {
			t.Fatalf("the stream ended with %v", err)
		}
		a.end()
		if errors := a.finished.GetCounts().GetErrors(); errors != dials.Load() || errors <= before {
			t.Errorf("the account has %d requests, and %d were sent, %d of them before it was read", errors, dials.Load(), before)
		}
	})
}

// With FOLD the call ends too, soon after its load.
func TestACallThatFoldsEndsUnread(t *testing.T) {
	t.Parallel()
	log := watchLog("stream broke off")
	dialer, dials := counting()
	client := startWorker(t, worker.Config{Dialer: dialer, Unread: unread, Log: slog.New(log)})
	if _, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: endless(3*unread, fanoutv1.SlowStream_SLOW_STREAM_FOLD)}); err != nil {
		t.Fatal(err)
	}
	log.await(t)
	if dials.Load() == 0 {
		t.Error("nothing was sent")
	}
}

// A shard's stream that nobody reads is ended, and the shard goes on: with WAIT too, since nobody waits for a stream that is gone.
func TestALeasedShardGoesOnUnread(t *testing.T) {
	t.Parallel()
	log := watchLog("grpc.method=FanOut")
	dialer, _ := counting()
	w := worker.New(worker.Config{Dialer: dialer, Unread: unread})
	t.Cleanup(w.Close)
	client := fanoutv1.NewWorkerServiceClient(serveWith(t, log, w.Register))
	within(t, func(ctx context.Context) {
		shard := &fanoutv1.Shard{RunId: "r", ShardId: "s", Concurrency: 8, LeaseDuration: durationpb.New(time.Hour)}
		request := &fanoutv1.FanOutRequest{Plan: endless(time.Hour, fanoutv1.SlowStream_SLOW_STREAM_WAIT), Shard: shard}
		stream, err := client.FanOut(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		started, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		renewal := &fanoutv1.RenewLeaseRequest{
			LeaseId: started.GetStarted().GetLeaseId(), StartClockNanos: 1, Grants: []*fanoutv1.Grant{{Stride: 1, Count: 1 << 40}},
		}
		renewal.StartClockNanos = clock(ctx, t, client)
		if _, err := client.RenewLease(ctx, renewal); err != nil {
			t.Fatal(err)
		}
		if line := log.await(t); !strings.Contains(line, "grpc.code=Aborted") {
			t.Errorf("the unread stream ended as %q, want ABORTED", line)
		}
		position := func() int64 {
			p, err := client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: renewal.GetLeaseId()})
			if err != nil {
				t.Fatal(err)
			}
			return p.GetClaimedCount()
		}
		for before := position(); position() < before+1000; { // it goes on
		}
		if _, err := client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: renewal.GetLeaseId(), Stop: true}); err != nil {
			t.Fatal(err)
		}
		shard.LeaseId = renewal.GetLeaseId()
		again, err := client.FanOut(ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		var final *fanoutv1.FanOutFinished
		for final == nil {
			message, err := again.Recv()
			if err != nil {
				t.Fatal(err)
			}
			final = message.GetFinished()
		}
		closedCounts(t, final.GetTally().GetCounts())
		if errors := final.GetTally().GetCounts().GetErrors(); errors < 1000 {
			t.Errorf("the account has %d requests, want those of all the time", errors)
		}
	})
}

// clock is what a worker's clock reads.
func clock(ctx context.Context, t *testing.T, client fanoutv1.WorkerServiceClient) int64 {
	t.Helper()
	who, err := client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return who.GetClockNanos()
}

func TestAWatchThatNobodyReadsEnds(t *testing.T) {
	t.Parallel()
	log := watchLog("WatchRun")
	workers, err := coordinator.ParseWorkers("worker:7070")
	if err != nil {
		t.Fatal(err)
	}
	w := worker.New(worker.Config{Dialer: refusing()})
	t.Cleanup(w.Close)
	to := serve(t, w.Register)
	c, err := coordinator.New(t.Context(), coordinator.Config{
		Workers: workers, Unread: unread, Dial: func(string) (coordinator.Conn, error) { return shared{to}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client := fanoutv1.NewCoordinatorServiceClient(serveWith(t, log, c.Register))
	// A plan that fills the windows by what is shown of it, and of which nothing is sent.
	p := endless(time.Hour, 0)
	p.Requests[0].Url += strings.Repeat("x", 4<<10)
	for range 127 {
		p.Requests = append(p.Requests, p.Requests[0])
	}
	created, err := client.CreateRun(t.Context(), &fanoutv1.CreateRunRequest{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.WatchRun(t.Context(), &fanoutv1.WatchRunRequest{RunId: created.GetRun().GetId(), View: fanoutv1.RunView_RUN_VIEW_FULL})
	if err != nil {
		t.Fatal(err)
	}
	if line := log.await(t); !strings.Contains(line, "grpc.code=Aborted") {
		t.Errorf("the unread watch ended as %q, want ABORTED", line)
	}
	for {
		if _, err := stream.Recv(); err != nil {
			if status.Code(err) != codes.Aborted {
				t.Errorf("who reads at last gets %v, want ABORTED", err)
			}
			break
		}
	}
	if got, err := client.GetRun(t.Context(), &fanoutv1.GetRunRequest{RunId: created.GetRun().GetId()}); err != nil || got.GetRun().GetState() == fanoutv1.State_STATE_ENDED {
		t.Errorf("GetRun = %v, %v, want a run that goes on", got, err)
	}
}
