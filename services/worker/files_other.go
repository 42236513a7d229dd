//go:build !unix

package worker

// filesLimit is 0: this system has no limit on file descriptors that a process can ask for.
func filesLimit() int64 { return 0 }
