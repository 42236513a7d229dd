// Package pacer lets goroutines sleep until a moment and wakes them on time to some ten microseconds. The engine's senders
// call it. It knows nothing of schedules: who sleeps until when is the caller's business.
//
// A sleeper waits on an ordinary timer of the runtime. That alone is late by up to a millisecond, but only where the process
// is idle: the runtime then waits in epoll_wait, whose timeout is in whole milliseconds. A busy runtime looks at its timers
// between any two goroutines, and is on time. So all that is missing is something that ends epoll_wait at the right moment.
// That is the alarm: a timerfd among the files that the runtime polls, set for the earliest sleeper. Nobody reads it. When
// it expires, epoll_wait returns, and the runtime finds the sleeper's timer due.
//
// README.md in services/bench has the ways that this was measured against.
package pacer

import (
	"sync"
	"time"
)

// Pacer wakes goroutines on time. It is safe for concurrent use by any number of them. It has no goroutine of its own; on
// Linux it holds a file descriptor from the first sleep until Close.
type Pacer struct {
	born  time.Time // moments are counted from here
	spare sync.Pool // of *sleeper

	mu       sync.Mutex
	sleepers heap          // guarded by mu
	alarm    *alarm        // guarded by mu; nil: there is none, and timers do what they can
	armed    time.Duration // guarded by mu; what the alarm was set for last
	opened   bool          // guarded by mu; an alarm was asked for
	closed   bool          // guarded by mu
}

// sleeper is a goroutine that waits. It is the goroutine's own, but for what the heap needs.
type sleeper struct {
	timer *time.Timer
	at    time.Duration // not before the timer
	index int           // in the heap; guarded by the pacer's mu
}

// New makes a pacer. Where the system has no alarm to give, it works with timers alone.
func New() *Pacer {
	return &Pacer{born: time.Now()}
}

// Close gives up the alarm. Who still sleeps, or sleeps later, is woken by timers alone.
func (p *Pacer) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.alarm.close()
}

// Wait sleeps until the moment, never less, or until done is closed, and reports whether it was the moment. It returns true
// at once for a moment that is past. until has to have a monotonic reading.
func (p *Pacer) Wait(until time.Time, done <-chan struct{}) bool {
	now := time.Now()
	d := until.Sub(now)
	if d <= 0 {
		return true
	}
	s, ok := p.spare.Get().(*sleeper)
	if ok {
		s.timer.Reset(d)
	} else {
		s = &sleeper{timer: time.NewTimer(d)}
	}
	// The timer counts from a little later than now. The alarm must not be before it: the runtime would find nothing due and
	// go back to sleep for a millisecond.
	s.at = time.Since(p.born) + d
	p.enter(s)
	ok = true
	select {
	case <-s.timer.C:
	case <-done:
		s.timer.Stop()
		ok = false
	}
	p.leave(s)
	p.spare.Put(s)
	return ok
}

func (p *Pacer) enter(s *sleeper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sleepers.push(s)
	p.arm()
}

func (p *Pacer) leave(s *sleeper) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sleepers.remove(s)
	p.arm()
}

// arm sets the alarm for the earliest sleeper, unless it is set for that one already. A sleeper that is due by now needs
// none: the runtime looks for timers that have run off before it goes idle, and the sleeper sets the alarm for the next when
// it leaves. So sleepers that are closer together than a wake takes cost one wake between them. It is called with mu held.
func (p *Pacer) arm() {
	if len(p.sleepers) == 0 || p.closed {
		return
	}
	at := p.sleepers[0].at
	if at == p.armed {
		return
	}
	if !p.opened {
		p.opened, p.alarm = true, newAlarm()
	}
	if d := at - time.Since(p.born); d > 0 {
		p.alarm.set(d)
		p.armed = at
	}
}
