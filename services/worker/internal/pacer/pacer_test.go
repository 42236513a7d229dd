package pacer

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPacer(t testing.TB) *Pacer {
	p := New()
	t.Cleanup(p.Close)
	return p
}

// asleep is how many sleepers the pacer holds.
func (p *Pacer) asleep() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sleepers)
}

func TestWait(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	close(closed)
	tests := []struct {
		name  string
		in    time.Duration
		done  <-chan struct{}
		want  bool
		takes time.Duration
	}{
		{"a moment to come", 1500 * time.Microsecond, nil, true, 1500 * time.Microsecond},
		{"a day", 24 * time.Hour, nil, true, 24 * time.Hour},
		{"now", 0, nil, true, 0},
		{"the past", -time.Hour, nil, true, 0},
		{"the past, and done", -time.Hour, closed, true, 0},
		{"done", time.Hour, closed, false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPacer(t)
				start := time.Now()
				if got := p.Wait(start.Add(tt.in), tt.done); got != tt.want {
					t.Errorf("Wait = %v, want %v", got, tt.want)
				}
				if got := time.Since(start); got != tt.takes {
					t.Errorf("Wait took %v, want %v", got, tt.takes)
				}
				if n := p.asleep(); n != 0 {
					t.Errorf("%d sleepers are left", n)
				}
			})
		})
	}
}

func TestWaitEndsWhenDoneIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(t)
		start := time.Now()
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(done) })
		if p.Wait(start.Add(time.Hour), done) {
			t.Error("Wait = true, want false")
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("Wait took %v, want 1s", got)
		}
	})
}

// As many sleepers as a worker has senders, claimed in no order, a third of them cut short: each wakes at its own moment.
func TestManySleepers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const sleepers = 16_384
		var (
			p     = newPacer(t)
			start = time.Now()
			group sync.WaitGroup
			wrong atomic.Int64
			cut   = make(chan struct{})
			cutAt = 400 * time.Millisecond
			never = make(chan struct{})
		)
		for i, place := range rand.Perm(sleepers) {
			group.Go(func() {
				in := time.Duration(place/2) * 100 * time.Microsecond // two by two
				done, want := never, true
				if i%3 == 0 {
					done, want = cut, in <= cutAt
				}
				got := p.Wait(start.Add(in), done)
				if in == cutAt {
					return // either is right
				}
				if !want {
					in = cutAt
				}
				if got != want || time.Since(start) != in {
					wrong.Add(1)
				}
			})
		}
		time.AfterFunc(cutAt, func() { close(cut) })
		group.Wait()
		if n := wrong.Load(); n > 0 {
			t.Errorf("%d of %d sleepers woke at a wrong moment", n, sleepers)
		}
		if n := p.asleep(); n != 0 {
			t.Errorf("%d sleepers are left", n)
		}
	})
}

// Real time: how late a sleeper wakes is the machine's affair, but it is never early.
func TestNeverEarly(t *testing.T) {
	t.Parallel()
	p := newPacer(t)
	start := time.Now()
	var (
		group sync.WaitGroup
		next  atomic.Int64
	)
	for range 64 {
		group.Go(func() {
			for i := next.Add(1); i <= 2000; i = next.Add(1) {
				due := start.Add(time.Duration(i) * 50 * time.Microsecond)
				if !p.Wait(due, t.Context().Done()) {
					t.Error("Wait = false, want true")
				}
				if early := time.Until(due); early > 0 {
					t.Errorf("woke %v early", early)
				}
			}
		})
	}
	group.Wait()
}

func TestClose(t *testing.T) {
	t.Parallel()
	p := New()
	start := time.Now()
	woken := make(chan bool)
	go func() { woken <- p.Wait(start.Add(20*time.Millisecond), nil) }()
	p.Close()
	p.Close()
	if !<-woken {
		t.Error("Wait = false over a Close, want true")
	}
	if !p.Wait(time.Now().Add(time.Millisecond), nil) {
		t.Error("Wait = false after Close, want true")
	}
}

// Where there is no alarm to be had, the timers are left.
func TestWithoutAlarm(t *testing.T) {
	t.Parallel()
	p := New()
	p.opened = true
	defer p.Close()
	due := time.Now().Add(time.Millisecond)
	if !p.Wait(due, nil) || time.Now().Before(due) {
		t.Error("Wait did not wait for the moment")
	}
}

func TestHeap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			h    heap
			held []*sleeper
		)
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				s := &sleeper{at: time.Duration(rapid.IntRange(0, 50).Draw(t, "at"))}
				h.push(s)
				held = append(held, s)
			},
			"remove": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip("empty")
				}
				i := rapid.IntRange(0, len(held)-1).Draw(t, "i")
				h.remove(held[i])
				held = slices.Delete(held, i, i+1)
			},
			"": func(t *rapid.T) {
				if len(h) != len(held) {
					t.Fatalf("%d sleepers, want %d", len(h), len(held))
				}
				for i, s := range h {
					if s.index != i {
						t.Fatalf("sleeper at %d has the index %d", i, s.index)
					}
					if s.at < h[0].at {
						t.Fatalf("the first is at %v, another at %v", h[0].at, s.at)
					}
				}
			},
		})
	})
}
