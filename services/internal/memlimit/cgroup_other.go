//go:build !linux

package memlimit

// Cgroup is 0: this system has no control groups.
func Cgroup() int64 { return 0 }
