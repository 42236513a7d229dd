//go:build !linux

package pacer

import "time"

// alarm does nothing: the timers of these systems are as good as they are.
type alarm struct{}

func newAlarm() *alarm { return nil }

func (*alarm) set(time.Duration) {}

func (*alarm) close() {}
