package dispatch

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// A worker's clock goes as fast as ours, from what it read in the middle of the round trip.
func TestClock(t *testing.T) {
	t.Parallel()
	midpoint := time.Now()
	w := &Worker{Info: &fanoutv1.GetWorkerResponse{ClockNanos: int64(90 * time.Second)}, midpoint: midpoint}
	for _, tt := range []struct {
		name string
		at   time.Duration // after the midpoint
		want time.Duration
	}{
		{"at the midpoint", 0, 90 * time.Second},
		{"after it", 200 * time.Millisecond, 90200 * time.Millisecond},
		{"a nanosecond after it", 1, 90*time.Second + 1},
		{"before it", -time.Second, 89 * time.Second},
		{"before the worker was born", -2 * time.Minute, -30 * time.Second},
		{"after a day", 24 * time.Hour, 24*time.Hour + 90*time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := w.Clock(midpoint.Add(tt.at)); got != tt.want {
				t.Errorf("Clock(midpoint + %v) = %v, want %v", tt.at, got, tt.want)
			}
		})
	}
}

// What Reach knows of a worker's clock is right to within half of the round trip, and exact when both ways take as long.
func TestReachReadsTheClock(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		there, back time.Duration
		off         time.Duration // of our idea of the worker's clock
	}{
		{"no way at all", 0, 0, 0},
		{"both ways alike", 20 * time.Millisecond, 20 * time.Millisecond, 0},
		{"a long way there", 60 * time.Millisecond, 20 * time.Millisecond, 20 * time.Millisecond},
		{"a long way back", 20 * time.Millisecond, 60 * time.Millisecond, -20 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				theirs := time.Now().Add(-time.Hour)
				w := reach(t, distantWorker{there: tt.there, back: tt.back, born: theirs})
				if got, want := w.Trip, tt.there+tt.back; got != want {
					t.Errorf("Trip = %v, want %v", got, want)
				}
				now := time.Now()
				if got, want := w.Clock(now), now.Sub(theirs)+tt.off; got != want {
					t.Errorf("Clock(now) = %v, want %v, %v off", got, want, tt.off)
				}
				if w.Address != address || w.InstanceID() != "distant" {
					t.Errorf("Reach() = %q at %q, want the worker that was asked", w.InstanceID(), w.Address)
				}
			})
		})
	}
}

// stoppedWorker says that its one shard has ended when it is told to stop.
type stoppedWorker struct {
	polite
	told chan *fanoutv1.StopFanOutRequest
}

func (w stoppedWorker) StopFanOut(_ context.Context, request *fanoutv1.StopFanOutRequest) (*fanoutv1.StopFanOutResponse, error) {
	w.told <- request
	return nil, status.Error(codes.NotFound, "no such shard")
}

// Stop names the shard, and brings the worker's answer.
func TestStop(t *testing.T) {
	t.Parallel()
	told := make(chan *fanoutv1.StopFanOutRequest, 1) // for the one call
	w := reach(t, stoppedWorker{told: told})
	if err := w.Stop(t.Context(), "r-1", "s1-0"); status.Code(err) != codes.NotFound {
		t.Errorf("Stop() = %v, want NotFound", err)
	}
	if got := <-told; got.GetRunId() != "r-1" || got.GetShardId() != "s1-0" {
		t.Errorf("StopFanOut(%v), want r-1, s1-0", got)
	}
}

// A worker that does not answer is an error within 2 s, which says who does not, and why.
func TestReachFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		dial func(*testing.T) Dial
		took time.Duration
		want []string // in the error
	}{
		{"mute", func(t *testing.T) Dial { return serve(t, muteWorker{}) }, reachTimeout, []string{address, "cannot be reached"}},
		{"of another kind", func(t *testing.T) Dial {
			return serve(t, fanoutv1.UnimplementedWorkerServiceServer{})
		}, 0, []string{address, "cannot be reached", "GetWorker"}},
		{"dead", func(*testing.T) Dial {
			return over(func(context.Context) (net.Conn, error) { return nil, errors.New("nobody listens here") })
		}, 0, []string{address, "cannot be reached", "nobody listens here"}},
		{"no way there", func(*testing.T) Dial {
			return func(string) (*grpc.ClientConn, error) { return nil, errors.New("no such way") }
		}, 0, []string{"no such way"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dial := tt.dial(t)
				begun := time.Now()
				w, err := Reach(t.Context(), dial, address)
				if err == nil {
					w.Close()
					t.Fatal("Reach() = a worker, want an error")
				}
				for _, want := range tt.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("Reach() = %v, want %q in it", err, want)
					}
				}
				if strings.Contains(err.Error(), "rpc error") {
					t.Errorf("Reach() = %v, want a sentence without gRPC's words", err)
				}
				if took := time.Since(begun); took != tt.took {
					t.Errorf("Reach() took %v, want %v", took, tt.took)
				}
			})
		})
	}
}
