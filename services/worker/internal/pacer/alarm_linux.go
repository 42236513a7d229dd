package pacer

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm ends the runtime's epoll_wait at a moment: a timerfd that the runtime polls and nobody reads. The runtime polls edge
// triggered, so each expiry is an event, read or not. The methods of a nil alarm do nothing.
type alarm struct {
	file *os.File // holds the descriptor in the runtime's poller
	fd   int
}

// newAlarm makes an alarm, or none where there is no descriptor left or the runtime cannot poll it.
func newAlarm() *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	if err := file.SetDeadline(time.Time{}); err != nil { // only a file that is polled takes one
		_ = file.Close() // nothing was written
		return nil
	}
	return &alarm{file: file, fd: fd}
}

// set sets the alarm for d from now, d > 0, in place of what it was set for before. Not absolute: the runtime's clock cannot
// be read as a number. The kernel counts from a little later than d was taken, so the alarm errs to the late side only.
func (a *alarm) set(d time.Duration) {
	if a == nil {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	_ = unix.TimerfdSettime(a.fd, 0, &spec, nil) // fails on bad arguments only; the timers are there in any case
}

func (a *alarm) close() {
	if a != nil {
		_ = a.file.Close() // nothing was written
	}
}
