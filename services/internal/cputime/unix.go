//go:build unix

// Package cputime says how much CPU time this process has used.
package cputime

import (
	"syscall"
	"time"
)

// Used is the CPU time of this process so far, in user mode and in the kernel; 0 where it cannot be told.
func Used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
