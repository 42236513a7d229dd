package lease

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A lower epoch than one that was here changes nothing, not even the lease's end.
func TestFencedEpochs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, log := newLease()
		if err := l.Attach(3); err != nil {
			t.Errorf("Attach(3) = %v, want no error", err)
		}
		time.Sleep(second)
		var fenced *FencedError
		for name, err := range map[string]error{
			"Attach(2)": l.Attach(2), "Renew": l.Renew(Renewal{Epoch: 2, Grants: consecutive(0, 3), Stop: true}),
		} {
			if !errors.As(err, &fenced) || *fenced != (FencedError{Epoch: 2, Owner: 3}) {
				t.Errorf("%s of a lower epoch = %v, want that 3 has been here", name, err)
			}
		}
		renew(t, l, Renewal{Epoch: 4, Grants: consecutive(0, 1)})
		if err := l.Attach(3); !errors.As(err, &fenced) {
			t.Errorf("Attach(3) after a renewal of 4 = %v, want it fenced", err)
		}
		if p := l.Position(); p.Granted != 1 || p.State != Active {
			t.Errorf("Position() = %+v, want 1 granted", p)
		}
		time.Sleep(duration + 1)
		log.want(t, fmt.Sprint(9*second+1, " end: ", ErrExpired))
	})
}

// A stop ends the lease at once, once, also in a renewal with a gap; what is in flight may go on. After the end by time it is told too.
func TestStop(t *testing.T) {
	t.Parallel()
	stopped, expired := fmt.Sprint(" end: ", ErrStopped), fmt.Sprint(" end: ", ErrExpired)
	for _, tt := range []struct {
		name string
		at   time.Duration
		stop func(*Lease) error
		held bool
		want []string
	}{
		{"in a renewal", second, func(l *Lease) error { return l.Renew(Renewal{Epoch: 1, Stop: true}) }, true, []string{"1s" + stopped}},
		{"by the worker", second, func(l *Lease) error { l.Stop(); return nil }, true, []string{"1s" + stopped}},
		{"in a renewal with a gap", second, func(l *Lease) error {
			if err := l.Renew(Renewal{Epoch: 1, Stop: true, GrantedBefore: 7}); err == nil {
				return errors.New("a gap is no error")
			}
			return nil
		}, true, []string{"1s" + stopped}},
		{"after it has ended", 9 * second, func(l *Lease) error { return l.Renew(Renewal{Epoch: 1, Stop: true}) }, false, []string{
			fmt.Sprint(duration+1) + expired, "9s" + stopped,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, log := newLease()
				time.Sleep(tt.at)
				for range 2 {
					if err := tt.stop(l); err != nil {
						t.Errorf("stop = %v, want no error", err)
					}
				}
				renew(t, l, Renewal{Grants: consecutive(0, 4), Start: time.Now()})
				if p := l.Position(); p.State != Ended || p.Granted != 0 || l.Held() != tt.held {
					t.Errorf("Position() = %+v, Held() = %v, want it ended with nothing granted, %v", p, l.Held(), tt.held)
				}
				time.Sleep(time.Hour)
				log.want(t, tt.want...)
			})
		})
	}
}

// Changes come at their time, in their order, and at once when it has passed or no start is known; a later one takes the place of those
// that are due no earlier.
func TestChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		start    time.Duration // of the run; less than 0: not known
		renewals [][]Change    // one each second
		want     []string
	}{
		{"at their time", 0, [][]Change{{{3 * second, 5}, {4 * second, 6}}}, []string{"3s change to 5", "4s change to 6"}},
		{"too late, in their order", 0, [][]Change{{{0, 5}, {0, 6}, {second, 7}}}, []string{"1s change to 5", "1s change to 6", "1s change to 7"}},
		{"without a start", -1, [][]Change{{{3 * second, 5}}, {{0, 6}}}, []string{"1s change to 5", "2s change to 6"}},
		{"before the start", 5 * second, [][]Change{{{-2 * second, 5}, {second, 6}}}, []string{"3s change to 5", "6s change to 6"}},
		{"a later one is earlier", 0, [][]Change{{{3 * second, 5}, {5 * second, 6}}, {{4 * second, 7}}}, []string{"3s change to 5", "4s change to 7"}},
		{"a later one is at once", 0, [][]Change{{{3 * second, 5}}, {{0, 7}}}, []string{"2s change to 7"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, log := newLease()
				before := int64(0)
				for _, changes := range tt.renewals {
					time.Sleep(second)
					r := Renewal{ChangesBefore: before, Changes: changes}
					if tt.start >= 0 {
						r.Start = log.made.Add(tt.start)
					}
					renew(t, l, r)
					renew(t, l, r) // does nothing
					before += int64(len(changes))
				}
				time.Sleep(7 * second)
				log.want(t, tt.want...)
				l.Finish()
			})
		})
	}
}

// A lease that has ended, or is over, changes nothing any more.
func TestChangesAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*Lease)
		want []string
	}{
		{"stopped", (*Lease).Stop, []string{fmt.Sprint("1s end: ", ErrStopped)}},
		{"over", (*Lease).Finish, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, log := newLease()
				renew(t, l, Renewal{Start: time.Now(), Changes: []Change{{3 * second, 5}}})
				time.Sleep(second)
				tt.end(l)
				renew(t, l, Renewal{ChangesBefore: 1, Changes: []Change{{0, 6}}})
				time.Sleep(time.Hour)
				log.want(t, tt.want...)
			})
		})
	}
}

// A worker that shuts down says so, and goes on as its coordinator says: with what was granted before that could know.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, log := newLease()
		renew(t, l, Renewal{Start: log.made, Grants: consecutive(0, 3)})
		l.Drain()
		l.Drain()
		if p := l.Position(); p.State != Draining || p.Granted != 3 || l.Slots.Final() {
			t.Errorf("Position() = %+v, final %v, want it draining with 3 slots, and maybe more", p, l.Slots.Final())
		}
		time.Sleep(second)
		renew(t, l, Renewal{GrantedBefore: 3, Grants: consecutive(3, 2), LastGrant: true})
		if p := l.Position(); p.State != Draining || p.Granted != 5 || !l.Slots.Final() {
			t.Errorf("Position() = %+v, final %v, want it draining with 5 slots, the last", p, l.Slots.Final())
		}
		time.Sleep(duration + 1)
		synctest.Wait()
		if p := l.Position(); p.State != Ended {
			t.Errorf("Position() = %+v, want it ended: draining does not keep a lease", p)
		}
		log.want(t, "0s begin at 0s", fmt.Sprint(9*second+1, " end: ", ErrExpired))
	})
}

// When the shard is over, its position stays as it was, but for the time, and nothing changes it.
func TestFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, log := newLease()
		renew(t, l, Renewal{Start: log.made, Grants: consecutive(0, 3), Changes: []Change{{0, 5}}})
		slots := l.Slots
		slots.Claim(nil)
		time.Sleep(second)
		l.Finish()
		slots.ClaimUpTo(3) // the counter is not read any more
		want := Position{Started: true, Offset: 2 * second, Granted: 3, Claimed: 1, Changes: 1, State: Ended}
		renew(t, l, Renewal{GrantedBefore: 9, Grants: consecutive(3, 5), Stop: true})
		l.Stop()
		l.Drain()
		time.Sleep(second)
		if got := l.Position(); got != want || l.Held() {
			t.Errorf("Position() = %+v, Held() = %v, want %+v, false", got, l.Held(), want)
		}
		time.Sleep(time.Hour)
		log.want(t, "0s change to 5", "0s begin at 0s")
	})
}
