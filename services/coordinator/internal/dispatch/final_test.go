package dispatch

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// The worker gets the shard as it is, and no slot with it: those come with renewals.
func TestRequest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, lease string }{{"open", ""}, {"attach", "lease-1"}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan *fanoutv1.FanOutRequest, 1) // for the one call
			w := reach(t, scriptedWorker{script: func(r *fanoutv1.FanOutRequest, s stream) error {
				got <- r
				return s.Send(finished(1, 0))
			}})
			s := w.Open(t.Context(), onePlan(), Shard{
				RunID: "r-1", ID: "s1", Concurrency: 7, Epoch: 3, Lease: 8 * time.Second, LeaseID: tt.lease,
			}, &recorder{})
			<-s.Done()
			request := <-got
			shard := request.GetShard()
			if shard.GetRunId() != "r-1" || shard.GetShardId() != "s1" || shard.GetConcurrency() != 7 || shard.GetEpoch() != 3 ||
				shard.GetLeaseId() != tt.lease || shard.GetLeaseDuration().AsDuration() != 8*time.Second {
				t.Errorf("shard = %v, want r-1, s1, 7 senders, epoch 3, lease %q of 8 s", shard, tt.lease)
			}
			if len(shard.GetGrants()) > 0 || shard.GetStartClockNanos() != 0 {
				t.Errorf("shard = %v, want neither slots nor a start", shard)
			}
			if url := request.GetPlan().GetRequests()[0].GetUrl(); url != "http://a.test/" {
				t.Errorf("plan's url = %q, want it as it was given", url)
			}
		})
	}
}

// The lease is known when the worker has admitted the shard; another started does not change it.
func TestLeaseID(t *testing.T) {
	t.Parallel()
	admit := func(sequence int64, lease string) *fanoutv1.FanOutResponse {
		m := started(sequence)
		m.GetStarted().LeaseId = lease
		return m
	}
	w := reach(t, sends(nil, admit(1, "lease-1"), admit(2, "lease-2"), finished(3, 0)))
	s := w.Open(t.Context(), onePlan(), Shard{}, &recorder{})
	<-s.Started()
	if got := s.LeaseID(); got != "lease-1" {
		t.Errorf("LeaseID() = %q, want lease-1", got)
	}
	<-s.Done()
	if got := s.LeaseID(); got != "lease-1" || s.Err() != nil {
		t.Errorf("LeaseID() at the end = %q, Err() = %v, want lease-1", got, s.Err())
	}
}

// What a worker says of a shard's end comes as it was said; what makes no sense is nothing.
func TestFinal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		said *fanoutv1.FanOutFinished
		want Final // without its tally
		ok   int64 // responses; -1: no tally
		late time.Duration
	}{
		{
			"completed", &fanoutv1.FanOutFinished{
				Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Responses: 4}}, GrantedCount: 5,
				Effort: &fanoutv1.Effort{StartLatenessDuration: durationpb.New(time.Second)},
				Reason: fanoutv1.FinishReason_FINISH_REASON_COMPLETED,
			}, Final{Granted: 5, Completed: true}, 4, time.Second,
		},
		{
			"died", &fanoutv1.FanOutFinished{
				GrantedCount: 5, ClaimedCount: 3, Reason: fanoutv1.FinishReason_FINISH_REASON_PROCESS_DIED,
			}, Final{Died: true, Granted: 5, Claimed: 3}, -1, 0,
		},
		{
			"died, with counts less than nothing", &fanoutv1.FanOutFinished{
				GrantedCount: -5, ClaimedCount: -3, Reason: fanoutv1.FinishReason_FINISH_REASON_PROCESS_DIED,
			}, Final{Died: true}, -1, 0,
		},
		{
			"stopped", &fanoutv1.FanOutFinished{GrantedCount: 5, Reason: fanoutv1.FinishReason_FINISH_REASON_STOPPED},
			Final{Granted: 5, Stopped: true},
			0, 0,
		},
		{"without a tally", &fanoutv1.FanOutFinished{GrantedCount: -1}, Final{}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			last := &fanoutv1.FanOutResponse{Sequence: 2, Event: &fanoutv1.FanOutResponse_Finished{Finished: tt.said}}
			sink := &recorder{}
			s := reach(t, sends(nil, started(1), last)).Open(t.Context(), onePlan(), Shard{}, sink)
			<-s.Done()
			got := *sink.final
			responses := int64(-1)
			if got.Tally != nil {
				responses = got.Tally.Counts.Responses
			}
			late := time.Duration(0)
			if got.Effort != nil {
				late = got.Effort.StartLateness
			}
			got.Tally, got.Effort = nil, nil
			if got != tt.want || responses != tt.ok || late != tt.late || s.Err() != nil {
				t.Errorf("Final = %+v, %d responses, begun %v late, Err() = %v, want %+v, %d, %v", got, responses, late, s.Err(), tt.want, tt.ok, tt.late)
			}
		})
	}
}

// Only a worker that says so does not hold a lease.
func TestErrNoLease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"not found", status.Error(codes.NotFound, "no such lease"), true},
		{"fenced", status.Error(codes.FailedPrecondition, "a higher epoch"), false},
		{"unavailable", status.Error(codes.Unavailable, "shutting down"), false},
		{"ended without finished", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := reach(t, sends(tt.err)).Open(t.Context(), onePlan(), Shard{LeaseID: "lease-1"}, &recorder{})
			<-s.Done()
			if got := errors.Is(s.Err(), ErrNoLease); got != tt.want {
				t.Errorf("Err() = %v, is ErrNoLease: %v, want %v", s.Err(), got, tt.want)
			}
			if text := status.Convert(tt.err).Message(); !strings.Contains(s.Err().Error(), text) {
				t.Errorf("Err() = %v, want %q in it", s.Err(), text)
			}
		})
	}
}

// A connection that is given up ends the streams on it, and the next one is on another.
func TestRedial(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := reach(t, scriptedWorker{script: func(r *fanoutv1.FanOutRequest, s stream) error {
			if err := s.Send(started(1)); err != nil || r.GetShard().GetLeaseId() != "" {
				return err
			}
			<-s.Context().Done()
			return s.Context().Err()
		}})
		old := w.connection()
		open := w.Open(t.Context(), onePlan(), Shard{}, &recorder{})
		<-open.Started()
		w.Redial()
		<-open.Done()
		if open.Err() == nil || errors.Is(open.Err(), ErrNoLease) {
			t.Errorf("Err() of a stream on the old connection = %v, want that it broke", open.Err())
		}
		again := w.Open(t.Context(), onePlan(), Shard{LeaseID: "lease-1"}, &recorder{})
		<-again.Started()
		<-again.Done()
		if w.connection() == old {
			t.Error("Redial() kept the connection, want another one")
		}
		w.dial = func(string) (Conn, error) { return nil, errors.New("no such way") }
		kept := w.connection()
		w.Redial()
		if w.connection() != kept {
			t.Error("Redial() without a way there gave up the connection, want it kept")
		}
	})
}
