package pacer

import (
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// waiter is what a pacer is to its sleepers.
type waiter interface {
	Wait(until time.Time, done <-chan struct{}) bool
	Close()
}

// candidates are the ways to wake sleepers on time that were weighed; the pacer of this package is one of them.
var candidates = []struct {
	name string
	make func() waiter
}{
	{"timer", func() waiter { return plainTimer{} }},
	{"alarm", func() waiter { return New() }},
	{"reader", func() waiter { return newReader(pollRead, 0) }},
	{"each", func() waiter { return &fdEach{} }},
	{"syscall", func() waiter { return newReader(blockRead, 0) }},
	{"thread", func() waiter { return newReader(threadRead, 0) }},
	{"spin", func() waiter { return newReader(threadRead, 60*time.Microsecond) }},
}

// plainTimer is a time.Timer for each sleep.
type plainTimer struct{}

func (plainTimer) Wait(until time.Time, done <-chan struct{}) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

func (plainTimer) Close() {}

func timerfd(flags int) int {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, flags|unix.TFD_CLOEXEC)
	if err != nil {
		panic(err)
	}
	return fd
}

func settime(fd int, d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(fd, 0, &spec, nil); err != nil {
		panic(err)
	}
}

// fdEach gives every sleeper a timerfd of its own, read through the runtime's poller. It leaves out done, which would cost
// it more.
type fdEach struct {
	mu    sync.Mutex
	spare []fdTimer // guarded by mu
}

type fdTimer struct {
	fd   int
	file *os.File
}

func (e *fdEach) Wait(until time.Time, _ <-chan struct{}) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	t := e.take()
	settime(t.fd, d)
	var ticks [8]byte
	_, err := t.file.Read(ticks[:])
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spare = append(e.spare, t)
	return err == nil
}

func (e *fdEach) take() fdTimer {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.spare); n > 0 {
		t := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return t
	}
	fd := timerfd(unix.TFD_NONBLOCK)
	return fdTimer{fd, os.NewFile(uintptr(fd), "timerfd")}
}

func (e *fdEach) Close() {
	for _, t := range e.spare {
		_ = t.file.Close()
	}
}

// How a reader waits for its timerfd.
const (
	pollRead   = iota // a goroutine, through the runtime's poller
	blockRead         // a goroutine, in a blocking system call
	threadRead        // the same, on a thread of its own
)

// reader is one timerfd, and one goroutine that reads it and wakes the sleepers that are due through their channels.
type reader struct {
	born time.Time
	fd   int
	file *os.File
	lead time.Duration // the reader wakes this much early, and spins
	done chan struct{}

	mu       sync.Mutex
	sleepers heap // guarded by mu
	wake     map[*sleeper]chan struct{}
	spare    []*sleeper
	armed    time.Duration
	closed   bool
}

func newReader(how int, lead time.Duration) *reader {
	r := &reader{born: time.Now(), lead: lead, done: make(chan struct{}), wake: map[*sleeper]chan struct{}{}}
	flags := 0
	if how == pollRead {
		flags = unix.TFD_NONBLOCK
	}
	r.fd = timerfd(flags)
	r.file = os.NewFile(uintptr(r.fd), "timerfd")
	go func() {
		defer close(r.done)
		if how == threadRead {
			runtime.LockOSThread()
		}
		for r.turn() {
		}
	}()
	return r
}

// turn waits for the timerfd once and wakes who is due.
func (r *reader) turn() bool {
	var ticks [8]byte
	if _, err := r.file.Read(ticks[:]); err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.sleepers) > 0 {
		s := r.sleepers[0]
		now := time.Since(r.born)
		if s.at-now > r.lead {
			break
		}
		r.sleepers.remove(s)
		if s.at > now {
			r.mu.Unlock()
			for time.Since(r.born) < s.at {
			}
			r.mu.Lock()
		}
		r.wake[s] <- struct{}{} // has room for one
	}
	r.armed = 0
	r.arm()
	return !r.closed
}

// arm is called with mu held.
func (r *reader) arm() {
	if len(r.sleepers) > 0 && (r.armed == 0 || r.sleepers[0].at < r.armed) {
		r.armed = r.sleepers[0].at
		settime(r.fd, max(r.armed-r.lead-time.Since(r.born), 1))
	}
}

// Wait leaves out the removal of a sleeper whose done is closed, which the benchmark never does.
func (r *reader) Wait(until time.Time, done <-chan struct{}) bool {
	at := until.Sub(r.born)
	if at <= time.Since(r.born) {
		return true
	}
	r.mu.Lock()
	var s *sleeper
	if n := len(r.spare); n > 0 {
		s = r.spare[n-1]
		r.spare = r.spare[:n-1]
	} else {
		s = &sleeper{}
		r.wake[s] = make(chan struct{}, 1)
	}
	s.at = at
	c := r.wake[s]
	r.sleepers.push(s)
	r.arm()
	r.mu.Unlock()
	select {
	case <-c:
	case <-done:
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spare = append(r.spare, s)
	return true
}

func (r *reader) Close() {
	r.mu.Lock()
	r.closed = true
	settime(r.fd, 1)
	r.mu.Unlock()
	<-r.done
	_ = r.file.Close()
}
