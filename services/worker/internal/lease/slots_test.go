package lease

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ms     = time.Millisecond
	second = time.Second
)

// growing is slots of which none is granted yet.
func growing() *Slots { return Growing(new(atomic.Int64), new(atomic.Int64), false) }

// claimed is what a sender that claims until there is nothing more has got.
func claimed(s *Slots, done <-chan struct{}) (slots []int64) {
	for {
		slot, _, ok := s.Claim(done)
		if !ok {
			return slots
		}
		slots = append(slots, slot)
	}
}

// Slots are claimed in the order of the grants, and none beyond them.
func TestClaimInOrder(t *testing.T) {
	t.Parallel()
	s := Fixed(schedule.Grants{{First: 5, Stride: 3, Count: 2}, {First: 100, Stride: 10, Count: 3}, {First: 7, Stride: 1, Count: 1}})
	if got, want := claimed(s, nil), []int64{5, 8, 100, 110, 120, 7}; !slices.Equal(got, want) {
		t.Errorf("claimed = %v, want %v", got, want)
	}
	if s.Claimed() != 6 || s.Granted() != 6 || !s.Final() || s.Endless() || s.Stride() != 1 {
		t.Errorf("Claimed() = %d of %d, final %v, endless %v, stride %d, want 6 of 6, final", s.Claimed(), s.Granted(), s.Final(), s.Endless(), s.Stride())
	}
	endless := Fixed(schedule.Grants{{First: 1, Stride: 1, Count: 1}, {First: 10, Stride: 4}})
	for _, want := range []int64{1, 10, 14, 18} {
		if got, _, ok := endless.Claim(nil); got != want || !ok {
			t.Errorf("Claim() = %d, %v, want %d", got, ok, want)
		}
	}
	if endless.Granted() != schedule.Unbounded || !endless.Endless() || endless.Claimed() != 4 || endless.Stride() != 4 {
		t.Errorf("Granted() = %d, endless %v, claimed %d, stride %d, want no end, 4, 4", endless.Granted(), endless.Endless(), endless.Claimed(), endless.Stride())
	}
}

// Grants that go on from each other are one, whatever they came as, and the counters outside say how many they are.
func TestExtendJoins(t *testing.T) {
	t.Parallel()
	var claims, grants atomic.Int64
	s := Growing(&claims, &grants, false)
	for i := range int64(5) {
		s.extend(schedule.Grants{{First: 1 + 20*i, Stride: 2, Count: 10}}, false)
	}
	if n := len(s.now.Load().pieces); n != 0 {
		t.Errorf("pieces beside the last = %d, want all in one", n)
	}
	s.extend(schedule.Grants{{First: 500, Stride: 1, Count: 4}}, true)
	s.extend(schedule.Grants{{First: 900, Stride: 1, Count: 4}}, true)
	if grants.Load() != 54 || s.Granted() != 54 || s.Slot(49) != 99 || s.Slot(50) != 500 {
		t.Errorf("granted = %d, %d outside, slots %d and %d, want 54 with nothing after the last, 99 and 500", s.Granted(), grants.Load(), s.Slot(49), s.Slot(50))
	}
	if s.ClaimUpTo(52); claims.Load() != 52 || s.Claimed() != 52 {
		t.Errorf("Claimed() = %d, %d outside, want 52", s.Claimed(), claims.Load())
	}
}

// Senders that wait get the slots of the next grants, one each, and the others go on waiting; the last grant ends the wait.
func TestClaimWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := growing()
		var mu sync.Mutex
		var got []int64
		var senders sync.WaitGroup
		for range 5 {
			senders.Go(func() {
				for slot, _, ok := s.Claim(nil); ok; slot, _, ok = s.Claim(nil) {
					mu.Lock()
					got = append(got, slot)
					mu.Unlock()
				}
			})
		}
		for n, grant := range []schedule.Grant{{First: 0, Stride: 1, Count: 2}, {First: 10, Stride: 1, Count: 1}, {First: 20, Stride: 2, Count: 9}} {
			synctest.Wait()
			if want := []int64{0, 2, 3}[n]; s.Claimed() != want || int64(len(got)) != want || s.Granted() != want {
				t.Errorf("claimed %d, of which %d came, want %d", s.Claimed(), len(got), want)
			}
			s.extend(schedule.Grants{grant}, false)
		}
		synctest.Wait()
		s.extend(nil, true)
		senders.Wait()
		slices.Sort(got)
		if want := []int64{0, 1, 10, 20, 22, 24, 26, 28, 30, 32, 34, 36}; !slices.Equal(got, want) {
			t.Errorf("claimed = %v, want %v", got, want)
		}
		if s.Claimed() != 12 || !s.Final() {
			t.Errorf("Claimed() = %d, final %v, want 12, which is all", s.Claimed(), s.Final())
		}
	})
}

// A sender that is told so waits no more; grants that come later are none, since nobody would begin them.
func TestClaimGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := growing()
		s.extend(schedule.Grants{{First: 0, Stride: 1, Count: 3}}, false)
		done := make(chan struct{})
		ended := make(chan int, 2)
		for range 2 {
			go func() { ended <- len(claimed(s, done)) }()
		}
		synctest.Wait()
		close(done)
		if n := <-ended + <-ended; n != 3 || s.Claimed() != 3 {
			t.Errorf("claimed = %d, Claimed() = %d, want 3", n, s.Claimed())
		}
		s.extend(schedule.Grants{{First: 3, Stride: 1, Count: 9}}, true)
		if s.Granted() != 3 || s.Claimed() != 3 {
			t.Errorf("Claimed() = %d of %d after a late grant, want 3 of 3", s.Claimed(), s.Granted())
		}
	})
}

// Whatever grants come, however many senders there are and whenever they give up: each ordinal that counts as claimed was claimed by
// one sender, and is the slot that the grants have there.
func TestEachOrdinalIsClaimedOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var lists []schedule.Grants
		var all schedule.Grants
		next := int64(0)
		for range rapid.IntRange(0, 8).Draw(t, "lists") {
			var list schedule.Grants
			for range rapid.IntRange(1, 4).Draw(t, "grants") {
				g := schedule.Grant{
					First:  next + rapid.Int64Range(0, 3).Draw(t, "gap"),
					Stride: rapid.Int64Range(1, 3).Draw(t, "stride"), Count: rapid.Int64Range(1, 50).Draw(t, "count"),
				}
				next = g.Last() + g.Stride
				list = append(list, g)
			}
			lists, all = append(lists, list), append(all, list...)
		}
		giveUp := rapid.IntRange(0, 2*len(lists)+1).Draw(t, "give up after")
		senders := rapid.IntRange(1, 6).Draw(t, "senders")
		s, done := growing(), make(chan struct{})
		got := make(chan []int64, senders) // one from each
		for range senders {
			go func() { got <- claimed(s, done) }()
		}
		for i, list := range lists {
			if i == giveUp {
				close(done)
			}
			s.extend(list, false)
		}
		if giveUp < len(lists) {
			s.extend(nil, true)
		} else if s.extend(nil, true); giveUp == len(lists) {
			close(done)
		}
		var slots, want []int64
		for range senders {
			slots = append(slots, <-got...)
		}
		if giveUp > len(lists) && s.Granted() != all.Len() {
			t.Fatalf("Granted() = %d, want %d", s.Granted(), all.Len())
		}
		for ordinal := range s.Claimed() {
			want = append(want, all.Slot(ordinal))
			if got := s.Slot(ordinal); got != want[ordinal] {
				t.Fatalf("Slot(%d) = %d, want %d", ordinal, got, want[ordinal])
			}
		}
		slices.Sort(slots)
		if !slices.Equal(slots, want) {
			t.Fatalf("claimed = %v, want %v of %d granted", slots, want, s.Granted())
		}
		if giveUp > len(lists) && s.Claimed() != s.Granted() {
			t.Fatalf("Claimed() = %d of %d, want all", s.Claimed(), s.Granted())
		}
	})
}

// The time in which somebody waits counts once, however many wait, and not before the moment that is given.
func TestWaited(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		from time.Duration // from which waits count
		want time.Duration
	}{
		{"all of it", 0, 5 * second},
		{"from within a wait on", second, 4 * second},
		{"from between two waits on", 3 * second, 3 * second},
		{"from later on", time.Hour, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := growing()
				s.CountWaitsFrom(time.Now().Add(tt.from))
				var senders sync.WaitGroup
				claim := func(n int) {
					for range n {
						senders.Go(func() { s.Claim(nil) })
					}
				}
				claim(2) // wait for 2 s
				time.Sleep(2 * second)
				s.extend(schedule.Grants{{First: 0, Stride: 1, Count: 2}}, false)
				senders.Wait()
				time.Sleep(2 * second)
				claim(1) // waits for 3 s
				time.Sleep(second)
				claim(1) // for 2 s of them
				time.Sleep(2 * second)
				synctest.Wait()
				if got := s.Waited(); got != tt.want {
					t.Errorf("Waited() while somebody waits = %v, want %v", got, tt.want)
				}
				s.extend(nil, true)
				senders.Wait()
				time.Sleep(second)
				if got := s.Waited(); got != tt.want {
					t.Errorf("Waited() = %v, want %v", got, tt.want)
				}
			})
		})
	}
}
