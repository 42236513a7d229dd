//go:build unix

// Package filelimit says how many files this process may have open: each connection is one.
package filelimit

import (
	"math"
	"syscall"
)

// Open is how many files this process may have open; 0: as many as it likes, or it cannot be told.
func Open() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int64(min(uint64(limit.Cur), math.MaxInt64))
}
