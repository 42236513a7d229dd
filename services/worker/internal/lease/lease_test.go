package lease

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

const duration = 8 * second

// log is what a lease did, and when.
type log struct {
	made  time.Time
	mu    sync.Mutex
	lines []string
}

func (l *log) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprint(time.Since(l.made), " ", fmt.Sprintf(format, args...)))
}

// newLease makes a lease and the log of its effects.
func newLease() (*Lease, *log) {
	l := &log{made: time.Now()}
	return New("lease", 1, duration, growing(), Effects{
		Begin:  func(start time.Time) { l.note("begin at %v", start.Sub(l.made)) },
		Change: func(concurrency int64) { l.note("change to %d", concurrency) },
		End:    func(cause error) { l.note("end: %v", cause) },
	}), l
}

func (l *log) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lines, want) {
		t.Errorf("the lease did %q, want %q", l.lines, want)
	}
}

// renew renews a lease, which has to go well.
func renew(t testing.TB, l *Lease, r Renewal) {
	t.Helper()
	r.Epoch = max(r.Epoch, 1)
	if err := l.Renew(r); err != nil {
		t.Errorf("Renew(%+v) = %v, want no error", r, err)
	}
}

func consecutive(first, count int64) schedule.Grants {
	return schedule.Grants{{First: first, Stride: 1, Count: count}}
}

// A lease ends its duration after it was made or renewed last, to the nanosecond, and then for good.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		renewed []time.Duration
		want    time.Duration // of the end
	}{
		{"never renewed", nil, duration + 1},
		{"renewed", []time.Duration{second, 5 * second}, 13*second + 1},
		{"renewed at the last moment", []time.Duration{duration}, 2*duration + 1},
		{"renewed a moment too late", []time.Duration{duration + 1}, duration + 1},
		{"renewed long after", []time.Duration{time.Hour}, duration + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, log := newLease()
				for _, at := range tt.renewed {
					time.Sleep(at - time.Since(log.made))
					renew(t, l, Renewal{Grants: consecutive(0, 3)})
				}
				if left := tt.want - 1 - time.Since(log.made); left > 0 {
					time.Sleep(left)
					synctest.Wait()
					if !l.Held() || l.Position().State != Active {
						t.Errorf("Held() = false after %v, want true", time.Since(log.made))
					}
					time.Sleep(time.Nanosecond)
				}
				if l.Held() || l.Position().State != Ended {
					t.Errorf("Held() = true after %v, want false", time.Since(log.made))
				}
				granted := l.Position().Granted
				renew(t, l, Renewal{Grants: consecutive(0, 100), Start: time.Now(), Changes: []Change{{Concurrency: 3}}})
				if l.Held() || l.Position().Granted != granted || l.Position().Changes != 0 {
					t.Errorf("Position() after a late renewal = %+v, want it ended with %d granted", l.Position(), granted)
				}
				log.want(t, fmt.Sprint(tt.want, " end: ", ErrExpired))
			})
		})
	}
}

// Whoever asks first, a sender or the timer: the end comes once, and no renewal that arrives with it makes the lease go on.
func TestRenewalThatArrivesWithTheEnd(t *testing.T) {
	t.Parallel()
	for range 50 { // which of them comes first is chance
		synctest.Test(t, func(t *testing.T) {
			l, log := newLease()
			time.Sleep(duration + 1)
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() {
					if l.Held() {
						t.Error("Held() after the end = true, want false")
					}
				})
				all.Go(func() { renew(t, l, Renewal{Grants: consecutive(0, 3)}) })
			}
			all.Wait()
			if p := l.Position(); p.State != Ended || p.Granted != 0 {
				t.Errorf("Position() = %+v, want it ended with nothing granted", p)
			}
			log.want(t, fmt.Sprint(duration+1, " end: ", ErrExpired))
		})
	}
}

// Begin is called once, when there are both a start and slots, or nothing more to wait for.
func TestBegin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		renewals func(start time.Time) []Renewal // one each second
		want     []string
	}{
		{"neither", func(time.Time) []Renewal { return []Renewal{{}, {}} }, nil},
		{"slots only", func(time.Time) []Renewal { return []Renewal{{Grants: consecutive(0, 3)}, {}} }, nil},
		{"a start only", func(start time.Time) []Renewal { return []Renewal{{Start: start}, {}} }, nil},
		{"both at once", func(start time.Time) []Renewal {
			return []Renewal{{Start: start, Grants: consecutive(0, 3)}, {Start: start.Add(1), Grants: consecutive(0, 5)}}
		}, []string{"1s begin at 4s"}},
		{"slots first", func(start time.Time) []Renewal {
			return []Renewal{{Grants: consecutive(0, 3)}, {Start: start}, {Start: start}}
		}, []string{"2s begin at 4s"}},
		{"a start first, which stays", func(start time.Time) []Renewal {
			return []Renewal{{Start: start}, {Start: start.Add(second), Grants: consecutive(0, 3)}}
		}, []string{"2s begin at 4s"}},
		{"nothing will be granted", func(start time.Time) []Renewal {
			return []Renewal{{Start: start}, {LastGrant: true}, {LastGrant: true}}
		}, []string{"2s begin at 4s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, log := newLease()
				for _, r := range tt.renewals(log.made.Add(4 * second)) {
					time.Sleep(second)
					renew(t, l, r)
				}
				log.want(t, tt.want...)
				if p := l.Position(); p.Started && p.Offset != time.Since(log.made)-4*second {
					t.Errorf("Offset = %v, want %v", p.Offset, time.Since(log.made)-4*second)
				}
				l.Finish()
			})
		})
	}
}

// A renewal counts as far as it goes on from what there is; what begins beyond that is an error that says what there is.
func TestRenewalsThatDoNotGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLease()
		defer l.Finish()
		want := func(what string, granted int64, changes int64, final bool) {
			t.Helper()
			if p := l.Position(); p.Granted != granted || p.Changes != changes || l.Slots.Final() != final {
				t.Errorf("Position() after %s = %+v, final %v, want %d granted, %d changes, %v", what, p, l.Slots.Final(), granted, changes, final)
			}
		}
		renew(t, l, Renewal{Grants: consecutive(0, 10), Changes: []Change{{Concurrency: 1}}})
		want("the first", 10, 1, false)
		renew(t, l, Renewal{Grants: consecutive(0, 10), Changes: []Change{{Concurrency: 1}}})
		want("the same again", 10, 1, false)
		renew(t, l, Renewal{Grants: consecutive(0, 4), LastGrant: true})
		want("an older one", 10, 1, false)
		renew(t, l, Renewal{GrantedBefore: 6, Grants: schedule.Grants{{First: 6, Stride: 1, Count: 4}, {First: 50, Stride: 2, Count: 5}}})
		want("one that overlaps", 15, 1, false)
		for _, r := range []Renewal{{GrantedBefore: 16, Grants: consecutive(60, 5)}, {ChangesBefore: 2, Changes: []Change{{Concurrency: 9}}}} {
			r.Epoch = 1
			var gap *GapError
			if err := l.Renew(r); !errors.As(err, &gap) || *gap != (GapError{Granted: 15, Changes: 1}) {
				t.Errorf("Renew(%+v) = %v, want a gap after 15 slots and 1 change", r, err)
			}
			want("a gap", 15, 1, false)
		}
		renew(t, l, Renewal{GrantedBefore: 15, LastGrant: true, ChangesBefore: 1, Changes: []Change{{Concurrency: 2}}})
		want("the last", 15, 2, true)
		renew(t, l, Renewal{GrantedBefore: 15, Grants: consecutive(90, 5)})
		want("one after the last", 15, 2, true)
		if a, b := l.Slots.Slot(9), l.Slots.Slot(14); a != 9 || b != 58 {
			t.Errorf("slots = %d and %d, want 9 and 58", a, b)
		}
	})
}

// Renewals that are repeated, cut anew, delayed and out of order grant each slot once and in order.
func TestRenewalsInAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all schedule.Grants
		next := int64(0)
		for range rapid.IntRange(1, 6).Draw(t, "grants") {
			g := schedule.Grant{First: next, Stride: rapid.Int64Range(1, 3).Draw(t, "stride"), Count: rapid.Int64Range(1, 9).Draw(t, "count")}
			next = g.Last() + 1 + rapid.Int64Range(0, 5).Draw(t, "gap")
			all = append(all, g)
		}
		l := New("lease", 0, time.Hour, growing(), Effects{})
		defer l.Finish()
		for range rapid.IntRange(0, 20).Draw(t, "renewals") {
			from, to := rapid.Int64Range(0, all.Len()).Draw(t, "from"), rapid.Int64Range(0, all.Len()).Draw(t, "to")
			from, to = min(from, to), max(from, to)
			before := l.Slots.Granted()
			err := l.Renew(Renewal{GrantedBefore: from, Grants: part(all, from, to), LastGrant: to == all.Len()})
			want := max(before, to)
			if from > before {
				want = before
			}
			if (err != nil) != (from > before) || l.Slots.Granted() != want {
				t.Fatalf("Renew(%d to %d) of %d = %v, and %d are granted, want %d", from, to, before, err, l.Slots.Granted(), want)
			}
			if l.Slots.Final() != (want == all.Len() && (l.Slots.Final() || to == all.Len())) {
				t.Fatalf("Final() after %d of %d = %v", want, all.Len(), l.Slots.Final())
			}
		}
		for ordinal := range l.Slots.Granted() {
			if got := l.Slots.Slot(ordinal); got != all.Slot(ordinal) {
				t.Fatalf("Slot(%d) = %d, want %d", ordinal, got, all.Slot(ordinal))
			}
		}
	})
}

// part is the grants of the ordinals from … to-1.
func part(all schedule.Grants, from, to int64) (some schedule.Grants) {
	for ordinal := from; ordinal < to; ordinal++ {
		one := schedule.Grant{First: all.Slot(ordinal), Stride: 1, Count: 1}
		if n := len(some); n > 0 {
			if joined, ok := some[n-1].Join(one); ok {
				some[n-1] = joined
				continue
			}
		}
		some = append(some, one)
	}
	return some
}
