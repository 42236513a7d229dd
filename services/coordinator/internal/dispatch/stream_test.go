package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// recorder is a sink that writes down what it is given.
type recorder struct {
	lines []string
	final *Final // the last
}

func (r *recorder) Started(sequence int64) { r.note(sequence, "started") }

func (r *recorder) Outcomes(sequence int64, rows []outcome.Outcome) {
	var slots []int64
	for _, row := range rows {
		slots = append(slots, row.Slot)
	}
	r.note(sequence, fmt.Sprint("outcomes ", slots))
}

func (r *recorder) Tally(sequence int64, t *tally.Snapshot) {
	r.note(sequence, fmt.Sprint("tally ", t.Counts.Responses))
}

func (r *recorder) Finished(sequence int64, final *Final) {
	r.final = final
	if final.Died {
		r.note(sequence, "died")
		return
	}
	r.note(sequence, fmt.Sprint("finished ", final.Tally.Counts.Responses))
}

func (r *recorder) note(sequence int64, what string) {
	r.lines = append(r.lines, fmt.Sprint(sequence, " ", what))
}

// The messages of a worker.

func started(sequence int64) *fanoutv1.FanOutResponse {
	return &fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Started{Started: &fanoutv1.FanOutStarted{}}}
}

func outcomes(sequence int64, slots ...int64) *fanoutv1.FanOutResponse {
	batch := &fanoutv1.OutcomeBatch{}
	for _, slot := range slots {
		batch.Outcomes = append(batch.Outcomes, &fanoutv1.Outcome{Slot: slot})
	}
	return &fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Outcomes{Outcomes: batch}}
}

func tallied(sequence, responses int64) *fanoutv1.FanOutResponse {
	t := &fanoutv1.Tally{Counts: &fanoutv1.Counts{Responses: responses}}
	return &fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Tally{Tally: t}}
}

func finished(sequence, responses int64) *fanoutv1.FanOutResponse {
	f := &fanoutv1.FanOutFinished{Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Responses: responses}}}
	return &fanoutv1.FanOutResponse{Sequence: sequence, Event: &fanoutv1.FanOutResponse_Finished{Finished: f}}
}

// sends is a worker that sends the messages and ends with err.
func sends(err error, messages ...*fanoutv1.FanOutResponse) scriptedWorker {
	return scriptedWorker{script: func(_ *fanoutv1.FanOutRequest, s stream) error {
		for _, m := range messages {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return err
	}}
}

// onePlan is a plan of one request.
func onePlan() *plan.Plan {
	return &plan.Plan{Requests: []plan.Request{{URL: "http://a.test/", Method: "GET", Weight: 1}}}
}

// The sink gets every message once, in the stream's order, and the end is right only after finished.
func TestStream(t *testing.T) {
	t.Parallel()
	disk := status.Error(codes.Internal, "the disk is full")
	unknown := &fanoutv1.FanOutResponse{Sequence: 2}
	for _, tt := range []struct {
		name   string
		worker scriptedWorker
		want   []string // what the sink gets
		err    string   // in Err; "" is none
	}{
		{
			"whole", sends(nil, started(1), outcomes(2, 0, 1, 2), tallied(3, 3), outcomes(4, 3), finished(5, 4)),
			[]string{"1 started", "2 outcomes [0 1 2]", "3 tally 3", "4 outcomes [3]", "5 finished 4"},
			"",
		},
		{
			"batches of different lengths", sends(nil, started(1), outcomes(2, 0, 1, 2), outcomes(3), outcomes(4, 9), finished(5, 4)),
			[]string{"1 started", "2 outcomes [0 1 2]", "3 outcomes []", "4 outcomes [9]", "5 finished 4"},
			"",
		},
		{"started twice", sends(nil, started(1), started(2), finished(3, 0)), []string{"1 started", "2 started", "3 finished 0"}, ""},
		{"broken off after finished", sends(disk, started(1), finished(2, 0)), []string{"1 started", "2 finished 0"}, ""},
		{
			"more after finished", sends(nil, started(1), finished(2, 0), outcomes(3, 0)),
			[]string{"1 started", "2 finished 0", "3 outcomes [0]"},
			"",
		},
		{"nothing", sends(nil), nil, "ended without finished"},
		{"no finished", sends(nil, started(1), outcomes(2, 0)), []string{"1 started", "2 outcomes [0]"}, "ended without finished"},
		{"an error", sends(disk, started(1)), []string{"1 started"}, "the disk is full"},
		{"refused", sends(status.Error(codes.ResourceExhausted, "no room")), nil, "no room"},
		{"a message without an event", sends(nil, started(1), unknown, outcomes(3, 0)), []string{"1 started"}, "unknown kind, number 2"},
		{"a message of another version after finished", sends(nil, finished(1, 0), unknown), []string{"1 finished 0"}, "unknown kind, number 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w, sink := reach(t, tt.worker), &recorder{}
			s := w.Open(ctx, onePlan(), Shard{}, sink)
			<-s.Done()
			if !slices.Equal(sink.lines, tt.want) {
				t.Errorf("the sink got %q, want %q", sink.lines, tt.want)
			}
			if err := s.Err(); (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("Err() = %v, want %q in it", err, tt.err)
			}
			select {
			case <-s.Started():
				if !slices.Contains(tt.want, "1 started") {
					t.Error("Started() = closed, want it open: the worker has not said so")
				}
			default:
				if slices.Contains(tt.want, "1 started") {
					t.Error("Started() = open, want it closed")
				}
			}
		})
	}
}

// The sink knows of the start before those who wait for it do.
func TestStartedComesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := reach(t, scriptedWorker{script: func(_ *fanoutv1.FanOutRequest, s stream) error {
			if err := s.Send(started(1)); err != nil {
				return err
			}
			<-s.Context().Done()
			return s.Context().Err()
		}})
		sink := &recorder{}
		s := w.Open(ctx, onePlan(), Shard{}, sink)
		<-s.Started()
		synctest.Wait()
		if want := []string{"1 started"}; !slices.Equal(sink.lines, want) {
			t.Errorf("the sink got %q, want %q", sink.lines, want)
		}
		select {
		case <-s.Done():
			t.Errorf("Done() = closed, want it open until the call ends; Err() = %v", s.Err())
		default:
		}
		cancel()
		<-s.Done()
		if err := s.Err(); err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("Err() after the context's end = %v, want it", err)
		}
	})
}

// A worker whose messages make no sense hears that nobody listens any more.
func TestUnknownKindEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		w := reach(t, scriptedWorker{script: func(_ *fanoutv1.FanOutRequest, s stream) error {
			defer close(gone)
			_ = s.Send(&fanoutv1.FanOutResponse{Sequence: 1})
			<-s.Context().Done()
			return nil
		}})
		s := w.Open(t.Context(), onePlan(), Shard{}, &recorder{})
		<-s.Done()
		synctest.Wait()
		select {
		case <-gone:
		default:
			t.Errorf("Done() is closed with %v, and the call goes on at the worker, want it given up", s.Err())
		}
	})
}
