package pacer

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// left is the time until the alarm rings; 0: it is not set.
func (a *alarm) left(t *testing.T) time.Duration {
	t.Helper()
	var spec unix.ItimerSpec
	if err := unix.TimerfdGettime(a.fd, &spec); err != nil {
		t.Fatal(err)
	}
	return time.Duration(spec.Value.Nano())
}

// The alarm follows the earliest sleeper: when an earlier one comes, and when it goes.
func TestAlarmIsSetForTheEarliest(t *testing.T) {
	t.Parallel()
	p := newPacer(t)
	now := time.Since(p.born)
	later, sooner, last := &sleeper{at: now + 2*time.Hour}, &sleeper{at: now + time.Hour}, &sleeper{at: now + 3*time.Hour}
	steps := []struct {
		name string
		do   func()
		want *sleeper
	}{
		{"the first comes", func() { p.enter(later) }, later},
		{"an earlier one comes", func() { p.enter(sooner) }, sooner},
		{"a later one comes", func() { p.enter(last) }, sooner},
		{"a later one goes", func() { p.leave(last) }, sooner},
		{"the earliest goes", func() { p.leave(sooner) }, later},
	}
	for _, step := range steps {
		step.do()
		if p.armed != step.want.at {
			t.Errorf("%s: armed for %v, want %v", step.name, p.armed, step.want.at)
		}
		// Never before the timer: the kernel's hour starts later than the pacer's.
		if got, least := p.alarm.left(t), step.want.at-time.Since(p.born); got < least || got > step.want.at-now {
			t.Errorf("%s: the alarm rings in %v, want %v to %v", step.name, got, least, step.want.at-now)
		}
	}
}

// A sleeper that is due already must not put off the alarm of who comes after it.
func TestAlarmIsNotSetForTheDue(t *testing.T) {
	t.Parallel()
	p := newPacer(t)
	due, next := &sleeper{at: 1}, &sleeper{at: time.Since(p.born) + time.Hour}
	p.enter(due)
	p.enter(next)
	if p.armed != 0 {
		t.Errorf("with a sleeper about to wake: armed for %v, want not armed", p.armed)
	}
	p.leave(due)
	if p.armed != next.at {
		t.Errorf("armed for %v, want %v", p.armed, next.at)
	}
}

// The alarm has to be among the files that the runtime polls, and ring.
func TestAlarmRings(t *testing.T) {
	t.Parallel()
	a := newAlarm()
	defer a.close()
	a.set(time.Millisecond)
	var ticks [8]byte
	if n, err := a.file.Read(ticks[:]); n != len(ticks) || err != nil { // waits in the runtime's poller
		t.Errorf("Read = %d, %v", n, err)
	}
}

func TestCloseGivesUpTheAlarm(t *testing.T) {
	t.Parallel()
	p := New()
	s := &sleeper{at: time.Since(p.born) + time.Hour}
	p.enter(s)
	armed := p.armed
	p.Close()
	if err := p.alarm.file.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closing the alarm's file after Close: %v, want closed already", err)
	}
	p.enter(&sleeper{at: time.Since(p.born) + time.Minute})
	p.leave(s)
	if p.armed != armed {
		t.Errorf("an alarm was set after Close, for %v", p.armed)
	}
}
