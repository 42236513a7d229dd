package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

type callStream = grpc.ServerStreamingServer[fanoutv1.FanOutResponse]

// newScriptedCall is a call to a worker that does as its script says.
func newScriptedCall(t *testing.T, script func(callStream) error) *client.Call {
	t.Helper()
	conn, _ := serve(t, func(s grpc.ServiceRegistrar) {
		fanoutv1.RegisterWorkerServiceServer(s, scriptedWorker{script: script})
	})
	return client.NewCall(conn)
}

func started() *fanoutv1.FanOutResponse {
	return &fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{RunId: "r-1"}}}
}

func finished(responses int64) *fanoutv1.FanOutResponse {
	f := &fanoutv1.FanOutFinished{Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Responses: responses}}}
	return &fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Finished{Finished: f}}
}

// nothing takes an outcome and does nothing with it.
func nothing(*outcome.Outcome) error { return nil }

// Every answer comes as it completes, the fast before the slow, and the tally is their sum.
func TestFanOut(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	p := urls(o.URL()+"/delay/300ms", o.URL()+"/status/404", o.URL()+"/eof", o.URL()+"/bytes/7")
	var got []string
	last := int64(-1)
	final, err := client.NewCall(startWorker(t)).FanOut(t.Context(), p, func(o *outcome.Outcome) error {
		body := ""
		if o.Body != nil {
			body = strings.TrimSpace(string(o.Body.Bytes))
		}
		got = append(got, fmt.Sprint(o.Slot, " ", o.Request, " ", o.Status, " ", o.Error, " ", body))
		last = o.Slot
		return nil
	})
	if err != nil {
		t.Fatalf("FanOut() = %v, want the final tally", err)
	}
	slices.Sort(got)
	want := []string{"0 0 200 UNSPECIFIED ok", "1 1 404 UNSPECIFIED 404 Not Found", "2 2 0 CONN_EOF ", "3 3 200 UNSPECIFIED xxxxxxx"}
	if !slices.Equal(got, want) {
		t.Errorf("FanOut() = %q, want %q", got, want)
	}
	if last != 0 {
		t.Errorf("FanOut() = slot %d last, want the slow one", last)
	}
	if c := final.Counts; c.Planned != 4 || c.Responses != 3 || c.Errors != 1 || !c.Closed() {
		t.Errorf("FanOut() = %v, want 3 responses, 1 error of 4", c)
	}
}

// FanOut returns a tally only when the worker has finished.
func TestFanOutWithoutFinished(t *testing.T) {
	t.Parallel()
	disk := status.Error(codes.Internal, "the disk is full")
	for _, tt := range []struct {
		name   string
		script func(callStream) error
		err    string // "" is none
	}{
		{"finished", func(s callStream) error { return errors.Join(s.Send(started()), s.Send(finished(3))) }, ""},
		{"broken off after finished", func(s callStream) error { _ = s.Send(finished(3)); return disk }, ""},
		{"nothing", func(callStream) error { return nil }, "without finished"},
		{"started alone", func(s callStream) error { return s.Send(started()) }, "without finished"},
		{"an error", func(s callStream) error { _ = s.Send(started()); return disk }, "the disk is full"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			final, err := newScriptedCall(t, tt.script).FanOut(t.Context(), urls("http://a.test/"), nothing)
			switch {
			case tt.err == "" && (err != nil || final.Counts.Responses != 3):
				t.Errorf("FanOut() = %+v, %v, want 3 responses", final, err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || final != nil):
				t.Errorf("FanOut() = %+v, %v, want %q", final, err, tt.err)
			}
		})
	}
}

func TestFanOutOfABadPlan(t *testing.T) {
	t.Parallel()
	_, err := client.NewCall(startWorker(t)).FanOut(t.Context(), urls("ftp://a.test/"), nothing)
	if !rpcerr.IsInvalid(err) || len(rpcerr.Violations(err)) != 1 || rpcerr.Violations(err)[0].Field != "plan.requests[0].url" {
		t.Errorf("FanOut() = %v, want a violation of plan.requests[0].url", err)
	}
}

// An error of the callback is FanOut's.
func TestFanOutEndsWithTheCallback(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	full := errors.New("the pipe is closed")
	calls := 0
	_, err := client.NewCall(startWorker(t)).FanOut(ctx, closedLoop(o.URL()+"/ok", 1000, 1), func(*outcome.Outcome) error {
		calls++
		return full
	})
	if !errors.Is(err, full) || calls != 1 {
		t.Errorf("FanOut() = %v after %d callbacks, want %v after 1", err, calls, full)
	}
}

// Stop ends a call cleanly: what was not sent is in the tally, and so is all that the target saw.
func TestStop(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	call := client.NewCall(startWorker(t))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	seen := 0
	final, err := call.FanOut(ctx, closedLoop(o.URL()+"/delay/5ms", 100_000, 4), func(*outcome.Outcome) error {
		if seen++; seen == 10 {
			for range 2 { // the second finds it stopping, or ended
				if err := call.Stop(ctx); err != nil && !rpcerr.IsNotFound(err) {
					t.Errorf("Stop() = %v, want no error", err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("FanOut() = %v, want the final tally", err)
	}
	if c := final.Counts; c.Planned != 100_000 || c.NotSent == 0 || !c.Closed() || c.Responses+c.Errors != o.Ledger().Total() {
		t.Errorf("FanOut() = %v, want slots not sent, and the %d that the target saw", c, o.Ledger().Total())
	}
}

// Stop waits for the call's start, no longer than its context.
func TestStopBeforeTheStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client.NewCall(startWorker(t)).Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Stop() = %v, want the context's end", err)
	}
}

// An error of the callback ends the call at the worker, too.
func TestCallbackErrorEndsTheCall(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	call := newScriptedCall(t, func(s callStream) error {
		defer close(gone)
		one := &fanoutv1.FanOutResponse{Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: &fanoutv1.OutcomeBatch{Outcomes: []*fanoutv1.Outcome{{}}}}}
		if err := errors.Join(s.Send(started()), s.Send(one)); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	})
	pipe := errors.New("the pipe is closed")
	if _, err := call.FanOut(t.Context(), urls("http://a.test/"), func(*outcome.Outcome) error { return pipe }); !errors.Is(err, pipe) {
		t.Errorf("FanOut() = %v, want %v", err, pipe)
	}
	<-gone
}

// A worker that says started twice blocks nobody.
func TestStartedTwice(t *testing.T) {
	t.Parallel()
	call := newScriptedCall(t, func(s callStream) error {
		return errors.Join(s.Send(started()), s.Send(started()), s.Send(finished(3)))
	})
	final, err := call.FanOut(t.Context(), urls("http://a.test/"), nothing)
	if err != nil || final.Counts.Responses != 3 {
		t.Errorf("FanOut() = %v, %v, want the final tally", final, err)
	}
}
