//go:build unix

package worker

import (
	"math"
	"syscall"
)

// filesLimit is how many file descriptors this process may have.
func filesLimit() int64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return int64(min(uint64(limit.Cur), math.MaxInt64))
}
