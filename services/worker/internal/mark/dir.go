package mark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// What may be wrong with a state directory.
var (
	ErrInUse       = errors.New("is in use by another worker")
	ErrNotWritable = errors.New("cannot be used")
)

// lockRetry is how often a lock that another process holds is asked for: a worker that is started again should not notice.
const lockRetry = 10 * time.Millisecond

// Dir is a state directory that this process has locked. It is safe for concurrent use. A nil Dir is no directory: nothing in it
// is dead, and its marks are on the heap.
type Dir struct {
	path   string
	bootID string // empty: nothing is trusted, nothing written
	lock   *flock.Flock

	mu   sync.Mutex
	dead map[string]Count // by lease
}

// Open takes the directory until Close, or for the life of the process. It is made if it is not there. While another process has
// it, Open waits, for wait at most; then the error is ErrInUse. A directory that cannot be made, locked, read or written is
// ErrNotWritable. The end of ctx ends the waiting, with its cause.
//
// What the last process has left is read here: its marks are dead from now on, for at least an hour; see gather.
func Open(ctx context.Context, path string, wait time.Duration) (*Dir, error) {
	unusable := func(err error) error {
		return fmt.Errorf("state directory %q %w: %w; choose another with --state-dir", path, ErrNotWritable, err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, unusable(err)
	}
	d := &Dir{path: path, bootID: bootID(), lock: flock.New(filepath.Join(path, "lock"))}
	switch taken, err := d.take(ctx, wait); {
	case ctx.Err() != nil && !taken:
		return nil, fmt.Errorf("waiting for state directory %q: %w", path, context.Cause(ctx))
	case err != nil:
		return nil, unusable(err)
	case !taken:
		return nil, fmt.Errorf("state directory %q %w; give each worker its own with --state-dir", path, ErrInUse)
	}
	if err := d.read(); err != nil {
		_ = d.lock.Close() // nothing was done under it
		return nil, unusable(err)
	}
	return d, nil
}

// take takes the lock. The kernel gives up that of a process that was killed when its last thread has ended, so that whoever has
// the lock reads counters that nobody raises any more.
func (d *Dir) take(ctx context.Context, wait time.Duration) (taken bool, err error) {
	if taken, err := d.lock.TryLock(); taken || err != nil || wait <= 0 {
		return taken, err
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	taken, err = d.lock.TryLockContext(ctx, lockRetry)
	if errors.Is(err, ctx.Err()) {
		err = nil // the wait is over, which is no fault of the directory
	}
	return taken, err
}

func (d *Dir) read() (err error) {
	if err := probe(d.path); err != nil {
		return err
	}
	if d.bootID == "" {
		return nil
	}
	d.dead, err = gather(d.path, d.bootID, time.Now())
	return err
}

// probe finds out whether files can be made: a lock can be had in a directory where they cannot.
func probe(path string) error {
	file, err := os.CreateTemp(path, namePrefix+"*"+draftSuffix)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// Dead is the mark of a lease that an earlier process on the directory held, on this boot of the machine, and false if there is
// none.
func (d *Dir) Dead(leaseID string) (Count, bool) {
	if d == nil {
		return Count{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	count, ok := d.dead[leaseID]
	return count, ok
}

// Forget removes a dead lease's mark, if there is one.
func (d *Dir) Forget(leaseID string) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.dead[leaseID]; ok {
		delete(d.dead, leaseID)
		_ = os.Remove(d.file(leaseID)) // one that stays is removed by a later Open, when it is old enough
	}
}

// Create makes the mark of a new lease, whose id has 1 to 512 bytes of any kind; one that has a mark here, alive or dead, is
// refused. After an error, such as that of a full disk, the caller may go on with Unmarked.
func (d *Dir) Create(leaseID string) (*Mark, error) {
	if d == nil || d.bootID == "" {
		return Unmarked(), nil
	}
	m, err := d.create(leaseID)
	if err != nil {
		return nil, fmt.Errorf("making the mark of lease %q: %w", leaseID, err)
	}
	return m, nil
}

func (d *Dir) create(leaseID string) (*Mark, error) {
	r, err := newRecord(leaseID, d.bootID)
	if err != nil {
		return nil, err
	}
	path := d.file(leaseID)
	file, err := r.create(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the mapping does not need it
	m, err := mapMark(file, path)
	if err != nil {
		_ = os.Remove(path) // it would be a dead lease's
		return nil, err
	}
	return m, nil
}

// Close lets the next process take the directory. Marks that were not removed become dead leases to it: their senders must have
// ended before, or it reads counters that are still rising. Their memory stays.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("letting go of state directory %q: %w", d.path, err)
	}
	return nil
}

func (d *Dir) file(leaseID string) string { return filepath.Join(d.path, nameOf(leaseID)) }
