package dispatch

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// A worker's clock goes as fast as ours, from what it read in the middle of the best round trip.
func TestClock(t *testing.T) {
	t.Parallel()
	sent := time.Now()
	const trip = 20 * time.Millisecond
	w := &Worker{}
	if got, err := w.Clock(sent); !errors.Is(err, ErrNoClock) || got != 0 {
		t.Errorf("Clock() of a worker that was not asked = %v, %v, want %v", got, err, ErrNoClock)
	}
	w.observe(sent, trip, 90*time.Second)
	w.observe(sent, trip, time.Hour) // is not better
	midpoint := sent.Add(trip / 2)
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
			if got, err := w.Clock(midpoint.Add(tt.at)); got != tt.want || err != nil {
				t.Errorf("Clock(midpoint + %v) = %v, %v, want %v", tt.at, got, err, tt.want)
			}
		})
	}
}

// A round trip that takes no time at all, by a coarse clock, is one.
func TestClockOfATripWithoutTime(t *testing.T) {
	t.Parallel()
	w, now := &Worker{}, time.Now()
	w.observe(now, 0, time.Second)
	w.observe(now, time.Millisecond, time.Hour)
	if got, err := w.Clock(now); got != time.Second || err != nil {
		t.Errorf("Clock(now) = %v, %v, want 1s", got, err)
	}
}

// What Reach knows of a worker's clock is right to within half of the best round trip but for the first, which pays for the
// connection, and exact when both ways take as long.
func TestReachReadsTheClock(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	slow := way{100 * ms, 200 * ms}
	for _, tt := range []struct {
		name string
		ways []way
		trip time.Duration // the best one
		off  time.Duration // of our idea of the worker's clock
	}{
		{"no way at all", []way{{}}, 0, 0},
		{"both ways alike", []way{{20 * ms, 20 * ms}}, 40 * ms, 0},
		{"a long way there", []way{{60 * ms, 20 * ms}}, 80 * ms, 20 * ms},
		{"a long way back", []way{{20 * ms, 60 * ms}}, 80 * ms, -20 * ms},
		{"one good trip of five", []way{slow, slow, slow, {1 * ms, 3 * ms}, slow}, 4 * ms, -1 * ms},
		{"the last one of five", []way{slow, slow, slow, slow, {2 * ms, 2 * ms}}, 4 * ms, 0},
		{"the first one does not count", []way{{1 * ms, 3 * ms}, {5 * ms, 5 * ms}}, 4 * ms, 0},
		{"the sixth is not made", []way{slow, slow, slow, slow, slow, {}}, 300 * ms, -50 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				born := time.Now().Add(-time.Hour)
				distant := distantWorker{ways: tt.ways, calls: new(atomic.Int64), born: born}
				w := reach(t, distant)
				if w.Trip != tt.trip || distant.calls.Load() != trips {
					t.Errorf("Trip = %v of %d, want %v of %d", w.Trip, distant.calls.Load(), tt.trip, trips)
				}
				now := time.Now()
				if got, err := w.Clock(now); got != now.Sub(born)+tt.off || err != nil {
					t.Errorf("Clock(now) = %v, %v, want %v, %v off", got, err, now.Sub(born)+tt.off, tt.off)
				}
				if w.Address != address || w.InstanceID() != "distant" {
					t.Errorf("Reach() = %q at %q, want the worker that was asked", w.InstanceID(), w.Address)
				}
			})
		})
	}
}

// Of a worker that was reached in an earlier life nothing is known, and nothing is dialled, until its lease is renewed.
func TestKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		born := time.Now().Add(-time.Hour)
		distant := distantWorker{
			ways: []way{{time.Second / 2, time.Second / 2}, {3 * time.Second, time.Second}}, calls: new(atomic.Int64), born: born,
		}
		w, err := Known(serve(t, distant), address)
		if err != nil {
			t.Fatalf("Known() = %v, want a worker", err)
		}
		t.Cleanup(w.Close)
		if _, err := w.Clock(time.Now()); !errors.Is(err, ErrNoClock) || w.InstanceID() != "" || distant.calls.Load() != 0 {
			t.Errorf("Clock() = %v of instance %q after %d calls, want %v and nothing known", err, w.InstanceID(), distant.calls.Load(), ErrNoClock)
		}
		for range 2 { // the second one, which is worse, changes nothing
			if _, err := w.Renew(t.Context(), &wire.Renewal{LeaseID: "lease-1"}); err != nil {
				t.Fatalf("Renew() = %v, want no error", err)
			}
			now := time.Now()
			if got, err := w.Clock(now); got != now.Sub(born) || err != nil {
				t.Errorf("Clock(now) after a renewal = %v, %v, want %v", got, err, now.Sub(born))
			}
		}
	})
	if _, err := Known(func(string) (Conn, error) { return nil, errors.New("no such way") }, address); err == nil {
		t.Error("Known() without a way there = a worker, want an error")
	}
}

// renewedWorker answers renewals.
type renewedWorker struct {
	polite
	got    chan *fanoutv1.RenewLeaseRequest
	answer *fanoutv1.RenewLeaseResponse // nil: it does not hold the lease
}

func (w renewedWorker) RenewLease(_ context.Context, request *fanoutv1.RenewLeaseRequest) (*fanoutv1.RenewLeaseResponse, error) {
	w.got <- request
	if w.answer == nil {
		return nil, status.Error(codes.NotFound, "no such lease")
	}
	return w.answer, nil
}

// Renew says all of the renewal, and brings where the shard is, or the worker's error.
func TestRenew(t *testing.T) {
	t.Parallel()
	answer := &fanoutv1.RenewLeaseResponse{
		ClockNanos: 5, RunOffset: durationpb.New(-time.Second), GrantedCount: 9, ClaimedCount: 4, ChangesCount: 1,
		State: fanoutv1.LeaseState_LEASE_STATE_DRAINING,
	}
	got := make(chan *fanoutv1.RenewLeaseRequest, 1) // for one call at a time
	renewal := &wire.Renewal{
		LeaseID: "lease-1", Epoch: 3, GrantedBefore: 2, Grants: schedule.Grants{{First: 4, Stride: 2, Count: 7}}, LastGrant: true,
		Changes: []wire.LoadChange{{Concurrency: 2}}, StartClock: time.Hour, AckedSecond: 6,
	}
	w := reach(t, renewedWorker{got: got, answer: answer})
	p, err := w.Renew(t.Context(), renewal)
	if err != nil {
		t.Fatalf("Renew() = %v, want no error", err)
	}
	want := wire.Position{Clock: 5, Started: true, Offset: -time.Second, Granted: 9, Claimed: 4, Changes: 1, State: wire.LeaseDraining}
	if *p != want {
		t.Errorf("Renew() = %+v, want %+v", *p, want)
	}
	if r := <-got; !proto.Equal(r, wire.RenewalProto(renewal)) {
		t.Errorf("RenewLease(%v), want %v", r, wire.RenewalProto(renewal))
	}
	w = reach(t, renewedWorker{got: got})
	if _, err := w.Renew(t.Context(), renewal); status.Code(err) != codes.NotFound {
		t.Errorf("Renew() of a lease that is not held = %v, want NotFound", err)
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
		{
			"of another protocol", func(t *testing.T) Dial { return serve(t, otherWorker{}) }, 0,
			[]string{address, `version "v9.8.7"`, "protocol 7", `version "v1.2.3"`, "run the same version of both"},
		},
		{"no way there", func(*testing.T) Dial {
			return func(string) (Conn, error) { return nil, errors.New("no such way") }
		}, 0, []string{"no such way"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dial := tt.dial(t)
				begun := time.Now()
				w, err := Reach(t.Context(), dial, address, "v1.2.3")
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
