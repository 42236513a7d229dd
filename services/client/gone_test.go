package client_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/run"
)

type watchStream = grpc.ServerStreamingServer[fanoutv1.WatchRunResponse]

// shows is a message of a run in a state.
func shows(state fanoutv1.State, responses int64) *fanoutv1.WatchRunResponse {
	return &fanoutv1.WatchRunResponse{Run: &fanoutv1.Run{
		Id: "r-1", State: state, Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Planned: 9, Responses: responses}},
	}}
}

// goingOn shows a run that goes on, and then nothing more.
func goingOn(s watchStream) error {
	if err := s.Send(shows(fanoutv1.State_STATE_RUNNING, 1)); err != nil {
		return err
	}
	<-s.Context().Done()
	return s.Context().Err()
}

// A coordinator that goes away after the run's end, and before it can be asked for the buckets, has said enough.
func TestWatchWithoutBuckets(t *testing.T) {
	t.Parallel()
	conn, _ := serve(t, func(s grpc.ServiceRegistrar) {
		fanoutv1.RegisterCoordinatorServiceServer(s, scriptedCoordinator{script: func(s watchStream) error {
			return s.Send(shows(fanoutv1.State_STATE_ENDED, 9))
		}})
	})
	final, err := client.NewCoordinator(conn).Watch(t.Context(), "r-1", func(*run.Run) {})
	if err != nil || final.State != run.Ended || final.Tally.Counts.Responses != 9 {
		t.Errorf("Watch() = %+v, %v, want the run as it was last shown", final, err)
	}
}

// A coordinator that goes away while a run goes on leaves an error, never a run that looks ended.
func TestWatchOfACoordinatorThatGoesAway(t *testing.T) {
	t.Parallel()
	t.Run("shows nothing", func(t *testing.T) {
		t.Parallel()
		conn, _ := serve(t, func(s grpc.ServiceRegistrar) {
			fanoutv1.RegisterCoordinatorServiceServer(s, scriptedCoordinator{script: func(watchStream) error { return nil }})
		})
		final, err := client.NewCoordinator(conn).Watch(t.Context(), "r-1", func(*run.Run) {})
		if !errors.Is(err, io.EOF) {
			t.Errorf("Watch() = %+v, %v, want EOF", final, err)
		}
	})
	t.Run("is killed", func(t *testing.T) {
		t.Parallel()
		conn, stop := serve(t, func(s grpc.ServiceRegistrar) {
			fanoutv1.RegisterCoordinatorServiceServer(s, scriptedCoordinator{script: goingOn})
		})
		final, err := client.NewCoordinator(conn).Watch(t.Context(), "r-1", func(*run.Run) { go stop() })
		if final != nil {
			t.Errorf("Watch() = %+v, want no run", final)
		}
		wantCode(t, "Watch()", err, codes.Unavailable)
	})
	t.Run("ends with its process", func(t *testing.T) {
		t.Parallel()
		o := startOracle(t)
		services := new(embedded.Services)
		conn, err := services.Start(embedded.Config{})
		if err != nil {
			t.Fatal(err)
		}
		c := client.NewCoordinator(conn)
		created := create(t, c, closedLoop(o.URL()+"/delay/5ms", 0, 2))
		closed := make(chan struct{})
		closing := false
		final, err := c.Watch(t.Context(), created.ID, func(r *run.Run) {
			if r.State == run.Running && !closing {
				closing = true
				go func() {
					defer close(closed)
					services.Close()
				}()
			}
		})
		<-closed
		if err == nil || final != nil {
			t.Errorf("Watch() = %+v, %v, want an error alone", final, err)
		}
	})
}

// The end of the caller's context ends Watch; the run goes on.
func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	o, c := startOracle(t), startCoordinator(t)
	created := create(t, c, closedLoop(o.URL()+"/delay/5ms", 100, 2))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := c.Watch(ctx, created.ID, func(*run.Run) { cancel() })
	wantCode(t, "Watch()", err, codes.Canceled)
	if final := watch(t, c, created.ID); final.Verdict != run.Passed || final.Tally.Counts.Responses != 100 {
		t.Errorf("Watch() again = %v, %v, want PASSED with 100 responses", final.Verdict, final.Tally.Counts)
	}
}
