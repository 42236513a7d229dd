package worker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start serves a worker over an in-memory connection.
func start(t *testing.T, config worker.Config) (*worker.Worker, fanoutv1.WorkerServiceClient) {
	t.Helper()
	w := worker.New(config)
	server := grpcserve.New(slog.New(slog.DiscardHandler), config.Security)
	w.Register(server)
	l := bufconn.Listen(1 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	conn, err := grpcdial.New("worker", grpcdial.Over(l.DialContext))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		<-done
	})
	return w, fanoutv1.NewWorkerServiceClient(conn)
}

func oracle(t *testing.T) *target.Oracle {
	t.Helper()
	o, err := target.StartOracle(target.OracleConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// account is all that a stream brought.
type account struct {
	started  *fanoutv1.FanOutStarted
	outcomes map[int64]*fanoutv1.Outcome
	finished *fanoutv1.Tally
	end      *fanoutv1.FanOutFinished
	err      error
}

// collect reads a stream to its end; started is called with the first message.
func collect(t *testing.T, stream fanoutv1.WorkerService_FanOutClient, started func(*fanoutv1.FanOutStarted)) *account {
	t.Helper()
	a := &account{outcomes: map[int64]*fanoutv1.Outcome{}}
	for sequence := int64(1); ; sequence++ {
		message, err := stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				a.err = err
			}
			return a
		}
		if message.GetSequence() != sequence {
			t.Errorf("message %d has the sequence %d", sequence, message.GetSequence())
		}
		if a.finished != nil {
			t.Error("a message came after finished")
		}
		if (sequence == 1) != (message.GetStarted() != nil) {
			t.Errorf("message %d is %T", sequence, message.GetEvent())
		}
		if message.GetStarted() != nil {
			a.started = message.GetStarted()
			if started != nil {
				started(a.started)
			}
		}
		for _, o := range message.GetOutcomes().GetOutcomes() {
			if a.outcomes[o.GetSlot()] != nil {
				t.Errorf("slot %d came twice", o.GetSlot())
			}
			a.outcomes[o.GetSlot()] = o
		}
		if message.GetFinished() != nil {
			a.end, a.finished = message.GetFinished(), message.GetFinished().GetTally()
		}
	}
}

// check holds the final tally against the outcomes.
func (a *account) check(t *testing.T, planned int64) {
	t.Helper()
	if a.err != nil || a.finished == nil {
		t.Fatalf("stream ended with %v, finished %v", a.err, a.finished)
	}
	var responses, failures, notSent int64
	for _, o := range a.outcomes {
		switch {
		case o.GetNotSent() != 0:
			notSent++
		case o.GetError() != 0:
			failures++
		default:
			responses++
		}
	}
	c := a.finished.GetCounts()
	if c.GetPlanned() != planned || c.GetResponses() != responses || c.GetErrors() != failures ||
		c.GetNotSent() != notSent+a.finished.GetFoldedCount() || c.GetPending()+c.GetInFlight()+c.GetUnknown() != 0 {
		t.Errorf("counts = %v, want %d planned, %d responses, %d errors, %d not sent", c, planned, responses, failures, notSent)
	}
	if _, err := wire.Snapshot(a.finished).Tally(); err != nil {
		t.Errorf("final tally: %v", err)
	}
}

func fanOut(t *testing.T, ctx context.Context, client fanoutv1.WorkerServiceClient, request *fanoutv1.FanOutRequest) *account {
	t.Helper()
	stream, err := client.FanOut(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	return collect(t, stream, nil)
}

func closedLoop(requests, concurrency int64) *fanoutv1.Load {
	return &fanoutv1.Load{Requests: requests, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: concurrency}}}
}

func openLoop(rate float64) *fanoutv1.Load {
	return &fanoutv1.Load{Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{{RatePerSecond: rate}}}}}
}

func planOf(load *fanoutv1.Load, urls ...string) *fanoutv1.Plan {
	p := &fanoutv1.Plan{Load: load, Http: &fanoutv1.HttpOptions{SlotHeader: true}}
	for _, url := range urls {
		p.Requests = append(p.Requests, &fanoutv1.Request{Url: url})
	}
	return p
}

func TestLoads(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	timed := closedLoop(0, 3)
	timed.Duration = durationpb.New(300 * time.Millisecond)
	rated := openLoop(200)
	rated.Duration = durationpb.New(500 * time.Millisecond)
	for _, tt := range []struct {
		name string
		plan *fanoutv1.Plan
		want int64 // 0: any number
	}{
		{"one request", planOf(nil, o.URL()+"/ok"), 1},
		{"each of three once", planOf(nil, o.URL()+"/ok", o.URL()+"/status/404", o.URL()+"/bytes/10"), 3},
		{"ten at once", planOf(&fanoutv1.Load{Requests: 10}, o.URL()+"/delay/20ms"), 10},
		{"closed loop", planOf(closedLoop(500, 8), o.URL()+"/ok"), 500},
		{"closed loop with a duration", planOf(timed, o.URL()+"/delay/5ms"), 0},
		{"open loop", planOf(rated, o.URL()+"/ok"), 100},
		{"errors", planOf(&fanoutv1.Load{Requests: 20}, o.URL()+"/reset"), 20},
		{"hostile bytes", func() *fanoutv1.Plan {
			p := planOf(closedLoop(60, 4), o.URL()+"/hostile/header", o.URL()+"/hostile/reason", o.URL()+"/hostile/body",
				o.URL()+"/hostile/latin1", o.URL()+"/hostile/cut-rune?bytes=64", o.URL()+"/hostile/nul", o.URL()+"/hostile/escape")
			p.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: 32}, Headers: []string{"*"}}
			return p
		}(), 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: tt.plan})
			want := tt.want
			if want == 0 {
				want = int64(len(a.outcomes))
			}
			a.check(t, want)
			if int64(len(a.outcomes)) != want || want == 0 {
				t.Errorf("%d outcomes, want %d", len(a.outcomes), want)
			}
			for slot, o := range a.outcomes {
				if tt.plan.GetLoad() == nil && o.GetRequest() != int32(slot) {
					t.Errorf("slot %d sent request %d, want them in order", slot, o.GetRequest())
				}
				if tt.plan.GetLoad().GetOpenLoop() != nil && o.GetDueNanos() != slot*5_000_000 {
					t.Errorf("slot %d was due at %d, want every 5 ms", slot, o.GetDueNanos())
				}
			}
		})
	}
}

func TestBodiesComeAsText(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	p := planOf(nil, o.URL()+"/ok", o.URL()+"/hostile/body")
	p.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{}}
	a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
	if got := a.outcomes[0].GetBody().GetText(); got != "ok\n" {
		t.Errorf("body = %q, want text", got)
	}
	if got := a.outcomes[1].GetBody().GetData(); len(got) == 0 {
		t.Errorf("body of invalid UTF-8 = %v, want data", a.outcomes[1].GetBody())
	}
}

// StopFanOut accounts for every slot, and finished follows within 2 s.
func TestStop(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	for _, tt := range []struct {
		name string
		load *fanoutv1.Load
	}{
		{"closed loop", closedLoop(5000, 4)},
		{"open loop", func() *fanoutv1.Load {
			l := openLoop(100)
			l.Requests = 5000
			return l
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: planOf(tt.load, o.URL()+"/delay/50ms", o.URL()+"/stall")})
			if err != nil {
				t.Fatal(err)
			}
			var stopped time.Time
			a := collect(t, stream, func(started *fanoutv1.FanOutStarted) {
				time.Sleep(300 * time.Millisecond)
				stopped = time.Now()
				for range 2 {
					if _, err := client.StopFanOut(t.Context(), &fanoutv1.StopFanOutRequest{RunId: started.GetRunId()}); err != nil {
						t.Errorf("StopFanOut = %v", err)
					}
				}
			})
			if took := time.Since(stopped); took > 3*time.Second {
				t.Errorf("finished came %v after the stop", took)
			}
			a.check(t, 5000)
			if len(a.outcomes) != 5000 {
				t.Errorf("%d outcomes, want every slot's", len(a.outcomes))
			}
			cancelled := 0
			for _, o := range a.outcomes {
				if o.GetError() == fanoutv1.ErrorClass_ERROR_CLASS_CANCELLED {
					cancelled++
				}
				if n := o.GetNotSent(); n != 0 && n != fanoutv1.NotSentReason_NOT_SENT_REASON_CANCELLED {
					t.Errorf("slot %d was not sent by %v", o.GetSlot(), n)
				}
			}
			if cancelled == 0 {
				t.Error("no slot in flight was CANCELLED")
			}
		})
	}
	_, err := client.StopFanOut(t.Context(), &fanoutv1.StopFanOutRequest{RunId: "none"})
	wantCode(t, "StopFanOut of none", err, codes.NotFound)
}

func TestDrain(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	w, client := start(t, worker.Config{})
	stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: planOf(closedLoop(1000, 4), o.URL()+"/delay/50ms")})
	if err != nil {
		t.Fatal(err)
	}
	a := collect(t, stream, func(*fanoutv1.FanOutStarted) {
		time.Sleep(200 * time.Millisecond)
		go w.Drain(t.Context())
	})
	a.check(t, 1000)
	for slot, o := range a.outcomes {
		if o.GetError() != 0 || o.GetNotSent() != 0 && o.GetNotSent() != fanoutv1.NotSentReason_NOT_SENT_REASON_LEASE_LOST {
			t.Errorf("slot %d = %v, %v, want a response or LEASE_LOST", slot, o.GetError(), o.GetNotSent())
		}
	}
	late := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/ok")})
	wantCode(t, "FanOut on a draining worker", late.err, codes.Unavailable)
}

func shardOf(start, count int64) *fanoutv1.Shard {
	return &fanoutv1.Shard{
		RunId: "run", ShardId: "s0", Concurrency: 1, StartClockNanos: start,
		Grants: []*fanoutv1.Grant{{FirstSlot: 1, Stride: 2, Count: count}},
	}
}

// A call that ended before its start sends nothing; another of the same shard is refused while it is there.
func TestShards(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	who, err := client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
	if err != nil || who.GetInstanceId() == "" || who.GetClockNanos() <= 0 || who.GetCaps().GetMaxSenderCount() == 0 {
		t.Fatalf("GetWorker = %v, %v", who, err)
	}
	plan := planOf(closedLoop(10, 1), o.URL()+"/ok")
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: plan, Shard: shardOf(who.GetClockNanos()+int64(time.Hour), 5)})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := stream.Recv(); err != nil || first.GetStarted().GetPlanned() != 5 {
		t.Fatalf("first message = %v, %v, want started with 5 slots", first, err)
	}
	same := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: plan, Shard: shardOf(0, 5)})
	wantCode(t, "the same shard again", same.err, codes.AlreadyExists)
	cancel()
	other := shardOf(0, 5)
	other.ShardId = "s1"
	fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: plan, Shard: other}).check(t, 5)
	if n := o.Ledger().Total(); n != 5 || o.Ledger().Count("run", "1") != 1 || o.Ledger().Count("run", "9") != 1 {
		t.Errorf("the target saw %d requests, want slots 1, 3, 5, 7, 9", n)
	}
	other.InstanceId = "another"
	wrong := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: plan, Shard: other})
	wantCode(t, "a shard for another instance", wrong.err, codes.FailedPrecondition)
	other.InstanceId, other.Grants = "", nil
	empty := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: plan, Shard: other})
	wantCode(t, "a shard without grants", empty.err, codes.InvalidArgument)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	caps.Calls, caps.Senders = 1, 10
	o := oracle(t)
	_, client := start(t, worker.Config{Caps: caps})
	bad := planOf(&fanoutv1.Load{Requests: -1}, "ftp://x", "http://")
	bad.Requests[0].Method = "G T"
	bad.Http.MaxRedirects = -3
	a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: bad})
	wantCode(t, "a bad plan", a.err, codes.InvalidArgument)
	if n := violations(a.err); n < 5 {
		t.Errorf("a plan with five mistakes has %d violations: %v", n, a.err)
	}
	a = fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(&fanoutv1.Load{Requests: 11}, o.URL()+"/ok")})
	wantCode(t, "more at once than the cap", a.err, codes.InvalidArgument)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	running, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/stall")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := running.Recv(); err != nil {
		t.Fatal(err)
	}
	a = fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/ok")})
	wantCode(t, "one call more than the cap", a.err, codes.ResourceExhausted)
	var quota, retry bool
	for _, detail := range status.Convert(a.err).Details() {
		switch detail.(type) {
		case *errdetails.QuotaFailure:
			quota = true
		case *errdetails.RetryInfo:
			retry = true
		}
	}
	if !quota || !retry {
		t.Errorf("a full worker's error has QuotaFailure %v, RetryInfo %v", quota, retry)
	}
	if n := o.Ledger().ByPath()["/ok"]; n != 0 {
		t.Errorf("%d requests of refused calls were sent", n)
	}
}

func violations(err error) int {
	n := 0
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			n += len(bad.GetFieldViolations())
		}
	}
	return n
}

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != want {
		t.Errorf("%s = %v, want %v", what, err, want)
		return
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "fanout.v1" {
			return
		}
	}
	t.Errorf("%s = %v, without ErrorInfo", what, err)
}

// A call whose last slots are those of a huge run ends all the same, with the rest folded.
func TestStopOfAHugeRun(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	stream, err := client.FanOut(ctx, &fanoutv1.FanOutRequest{Plan: planOf(closedLoop(10_000_000_000, 2), o.URL()+"/ok")})
	if err != nil {
		t.Fatal(err)
	}
	a := &account{}
	for {
		message, err := stream.Recv()
		if err != nil {
			break
		}
		if s := message.GetStarted(); s != nil {
			time.Sleep(50 * time.Millisecond)
			if _, err := client.StopFanOut(ctx, &fanoutv1.StopFanOutRequest{RunId: s.GetRunId()}); err != nil {
				t.Fatal(err)
			}
		}
		if message.GetFinished() != nil {
			a.finished = message.GetFinished().GetTally()
		}
	}
	if a.finished == nil || a.finished.GetCounts().GetPlanned() != 10_000_000_000 || a.finished.GetFoldedCount() == 0 {
		t.Errorf("final tally = %s, want all slots, most of them folded", fmt.Sprint(a.finished.GetCounts()))
	}
}
