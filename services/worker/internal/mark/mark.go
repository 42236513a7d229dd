// Package mark keeps how many slots each lease of a worker has claimed where it outlives the process: in small mapped files of
// a state directory. After kill -9, the worker that is started again on that directory can say of each dead lease how many slots
// it had claimed at most, so that the rest of its grant is known not to have been sent.
//
// A mark survives the death of its process, not that of the kernel: what another boot left is ignored. It is no journal: nothing
// is synced, and no slot is named.
//
// The directory belongs in a file system in memory, such as the user's runtime directory. On a disk, a sender that claims right
// after the kernel has begun to write the page back may have to wait for the disk.
package mark

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
)

// line is what the counters stand apart, in bytes: the cache line is 64 on most machines, but some fetch two at a time, and
// Apple's has 128.
const line = 128

// counters is how a mark's counters lie in memory, and in its file from countersOffset on.
type counters struct {
	claimed atomic.Int64
	_       [line - 8]byte
	granted atomic.Int64
	_       [line - 8]byte
}

// Mark is the counters of one lease. Only the counters are safe for concurrent use.
type Mark struct {
	counters *counters
	mapping  []byte // nil on the heap
	path     string
}

// Count is what the mark of a dead lease says.
type Count struct {
	Claimed int64 // slots claimed; what was sent is at most this, and at least this less one for each sender
	Granted int64 // slots granted
}

// Unmarked is a mark on the heap, for a worker without a state directory: the counters are the same, and nothing is kept.
func Unmarked() *Mark { return &Mark{counters: new(counters)} }

// Claimed counts the slots that senders have claimed: a sender adds 1, and sends only after that. It may run beyond Granted.
func (m *Mark) Claimed() *atomic.Int64 { return &m.counters.claimed }

// Granted is how many slots the lease has been granted. It must be raised before a sender may claim what it adds: a claim beyond
// it counts for nothing once the process has died.
func (m *Mark) Granted() *atomic.Int64 { return &m.counters.granted }

// Remove gives the mark up, when nobody will ask for the lease any more; more than once is as good as once. The mark is gone even
// if its file could not be deleted, which is the error.
//
// The memory is given back: every goroutine that has a pointer from Claimed or Granted must have ended before. A use after
// that ends the process, or counts for another lease.
func (m *Mark) Remove() error {
	if m.mapping == nil {
		return nil
	}
	deleted := os.Remove(m.path)
	if errors.Is(deleted, fs.ErrNotExist) {
		deleted = nil
	}
	unmapped := unmap(m.mapping)
	m.mapping, m.counters = nil, nil
	if err := errors.Join(deleted, unmapped); err != nil {
		return fmt.Errorf("removing a lease's mark: %w", err)
	}
	return nil
}
