package client_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/client"
	"github.com/fanout-load/fanout/services/embedded"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/run"
)

// shows is a message of a run in a state.
func shows(state fanoutv1.State, responses int64) *fanoutv1.WatchRunResponse {
	return &fanoutv1.WatchRunResponse{Run: &fanoutv1.Run{
		Id: "r-1", State: state, Tally: &fanoutv1.Tally{Counts: &fanoutv1.Counts{Planned: 9, Responses: responses}},
	}}
}

// goingOn shows a run that goes on, with so many responses, and then nothing more.
func goingOn(responses int64) scriptedCoordinator {
	return scriptedCoordinator{script: func(s watchStream) error {
		if err := s.Send(shows(fanoutv1.State_STATE_RUNNING, responses)); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}}
}

// over shows a run that has ended.
func over(responses int64) scriptedCoordinator {
	return scriptedCoordinator{script: func(s watchStream) error {
		return s.Send(shows(fanoutv1.State_STATE_ENDED, responses))
	}}
}

// silent ends the stream of a run without a word.
func silent() scriptedCoordinator {
	return scriptedCoordinator{script: func(watchStream) error { return nil }}
}

// forgetful knows no run.
func forgetful() scriptedCoordinator {
	return scriptedCoordinator{script: func(watchStream) error { return rpcerr.NotFound("r-1 is no run of this coordinator") }}
}

// A coordinator that goes away after the run's end, and before it can be asked for the buckets, has said enough.
func TestWatchWithoutBuckets(t *testing.T) {
	t.Parallel()
	conn, _ := serve(t, func(s grpc.ServiceRegistrar) { fanoutv1.RegisterCoordinatorServiceServer(s, over(9)) })
	final, err := client.NewCoordinator(conn).Watch(t.Context(), "r-1", func(*run.Run) {})
	if err != nil || final.State != run.Ended || final.Tally.Counts.Responses != 9 {
		t.Errorf("Watch() = %+v, %v, want the run as it was last shown", final, err)
	}
}

// Watch goes on at a coordinator that is started again, for a minute since it last had word of the run; a coordinator that does
// not know the run ends it at once. Whatever it ends with without the run's end is an error, never a run that looks ended.
func TestWatchOfACoordinatorThatGoesAway(t *testing.T) {
	t.Parallel()
	type life struct {
		of    scriptedCoordinator
		after time.Duration // since the last one was killed, which is three seconds after it began
	}
	for _, tt := range []struct {
		name        string
		lives       []life
		seen        []int64 // responses of the callbacks
		code        codes.Code
		least, most time.Duration // that it takes
		away        int           // absences that it tells of
	}{
		{"comes back", []life{{goingOn(1), 0}, {goingOn(4), 3 * time.Second}, {over(9), 3 * time.Second}}, []int64{1, 4, 9}, codes.OK, 12 * time.Second, 15 * time.Second, 2},
		{"comes back late", []life{{goingOn(1), 0}, {over(9), 55 * time.Second}}, []int64{1, 9}, codes.OK, 58 * time.Second, 61 * time.Second, 1},
		{"comes back often", []life{{goingOn(1), 0}, {goingOn(2), 50 * time.Second}, {over(9), 50 * time.Second}}, []int64{1, 2, 9}, codes.OK, 106 * time.Second, 109 * time.Second, 2},
		{"comes up after the watch began", []life{{over(9), 5 * time.Second}}, []int64{9}, codes.OK, 5 * time.Second, 8 * time.Second, 1},
		{"comes back too late", []life{{goingOn(1), 0}, {over(9), 70 * time.Second}}, []int64{1}, codes.Unavailable, 59 * time.Second, 61 * time.Second, 1},
		{"comes back without the run", []life{{goingOn(1), 0}, {forgetful(), 3 * time.Second}}, []int64{1}, codes.NotFound, 6 * time.Second, 9 * time.Second, 1},
		{"never was there", nil, nil, codes.Unavailable, 59 * time.Second, 61 * time.Second, 1},
		{"does not know the run", []life{{forgetful(), 0}}, nil, codes.NotFound, 0, 0, 0},
		{"knows no such call", []life{{of: scriptedCoordinator{script: func(watchStream) error { return rpcerr.Internal() }}}}, nil, codes.Internal, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newLives(t)
				absences := 0
				c.Away = func(err error, wait time.Duration) {
					if absences++; err == nil || wait != time.Minute {
						t.Errorf("Away(%v, %v), want why, and a minute", err, wait)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				lived := make(chan struct{})
				go func() {
					defer close(lived)
					for _, life := range tt.lives {
						if !sleep(ctx, life.after) {
							return
						}
						kill := c.start(t, life.of)
						sleep(ctx, 3*time.Second)
						kill()
					}
				}()
				synctest.Wait() // the first is there, if it is to be
				begun := time.Now()
				var seen []int64
				final, err := c.Watch(t.Context(), "r-1", func(r *run.Run) { seen = append(seen, r.Tally.Counts.Responses) })
				took := time.Since(begun)
				cancel()
				<-lived
				wantCode(t, "Watch()", err, tt.code)
				if (err == nil) != (final != nil) || final != nil && (final.State != run.Ended || final.Tally.Counts.Responses != 9) {
					t.Errorf("Watch() = %+v, %v, want the run's end or an error", final, err)
				}
				if !slices.Equal(seen, tt.seen) {
					t.Errorf("callbacks had %d responses, want %d", seen, tt.seen)
				}
				if absences != tt.away {
					t.Errorf("Away() was called %d times, want %d", absences, tt.away)
				}
				if took < tt.least || took > tt.most {
					t.Errorf("Watch() took %v, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

// sleep is false when the context has ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// A stream that ends without the run's end is one that broke off.
func TestWatchOfACoordinatorThatSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newLives(t)
		c.start(t, silent())
		begun := time.Now()
		final, err := c.Watch(t.Context(), "r-1", func(*run.Run) {})
		if !errors.Is(err, io.EOF) || final != nil {
			t.Errorf("Watch() = %+v, %v, want EOF", final, err)
		}
		if took := time.Since(begun); took < 59*time.Second || took > 61*time.Second {
			t.Errorf("Watch() took %v, want a minute", took)
		}
	})
}

// A connection that is closed ends Watch: nobody is waited for who cannot be called.
func TestWatchEndsWithItsServices(t *testing.T) {
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
}

// The end of the caller's context ends Watch, also between two attempts; the run goes on.
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
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := newLives(t).Watch(ctx, "r-1", func(*run.Run) {})
		wantCode(t, "Watch() of nobody", err, codes.DeadlineExceeded)
	})
}
