package runs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// keepRequestIDs is how long a request_id is remembered, so that a CreateRun may be repeated.
	keepRequestIDs = 24 * time.Hour
	// createBound is how long the store may take to create a run.
	createBound = 5 * time.Second
)

var (
	// ErrFull says that as many runs go on as may.
	ErrFull = errors.New("the coordinator is full")
	// ErrClosed says that the coordinator is shutting down.
	ErrClosed = errors.New("the coordinator is shutting down")
	// ErrNotEnded says that a run still goes on.
	ErrNotEnded = errors.New("the run has not ended")
)

// QuotaError says that as many runs of one creator go on as may.
type QuotaError struct {
	Creator string
	Cap     int64
}

// Error names the creator, the cap and its value.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("%d runs of %s are going on, which is the most for one subject (--max-runs-per-subject); wait for one to end, or cancel one",
		e.Cap, e.Creator)
}

// UsedError says that a request_id belongs to another request.
type UsedError struct{ RequestID, RunID, Why string }

// Error names the request_id and the run.
func (e *UsedError) Error() string {
	return fmt.Sprintf("request_id %q created run %s, %s; use another request_id", e.RequestID, e.RunID, e.Why)
}

// Registry is the runs that the coordinator knows: those that go on, and those that the store keeps. It is safe for concurrent use.
type Registry struct {
	config Config
	life   context.Context // its end cuts every run
	end    context.CancelFunc
	leave  chan struct{} // closed when the runs are left to their leases
	going  sync.WaitGroup

	creating chan struct{} // capacity 1: full while somebody creates a run, or for good when nobody may any more

	mu     sync.Mutex
	closed bool            // guarded by mu
	live   map[string]*Run // that go on, and those whose end could not be stored; guarded by mu
}

// NewRegistry makes a registry, and goes on with the runs that the store has and that have not ended. Its owner closes it.
func NewRegistry(ctx context.Context, config Config) (*Registry, error) {
	r := &Registry{config: config, leave: make(chan struct{}), creating: make(chan struct{}, 1), live: make(map[string]*Run)}
	r.life, r.end = context.WithCancel(context.Background())
	if config.ReadOnly {
		return r, nil
	}
	unended, err := config.Store.Unended(ctx)
	if err != nil {
		r.end()
		return nil, fmt.Errorf("reading the runs that go on: %w", err)
	}
	for _, stored := range unended {
		c, err := r.resume(stored)
		if err != nil {
			config.Log.Error("a stored run cannot be gone on with; it stays as it is", "run_id", stored.ID, "error", err)
			continue
		}
		config.Log.Info("going on with a run", "run_id", stored.ID)
		r.carryOut(c)
	}
	return r, nil
}

// carryOut carries a run out in a goroutine of its own.
func (r *Registry) carryOut(c *conductor) {
	r.mu.Lock()
	r.live[c.id] = c.Run
	r.mu.Unlock()
	r.going.Go(func() {
		c.carryOut()
		r.mu.Lock()
		defer r.mu.Unlock()
		if c.kept {
			delete(r.live, c.id)
		}
	})
}

// Create creates a run and starts it. With a request_id with which its creator has created a run from a request of the same hash it returns
// that run. It fails with ErrFull, with *QuotaError, with *UsedError, with ErrClosed, or because the store does.
func (r *Registry) Create(ctx context.Context, about run.NewRun, hash string) (*Run, error) {
	select {
	case r.creating <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.life.Done():
		return nil, ErrClosed
	}
	defer func() { <-r.creating }()
	// Made or not: a caller that goes away must not leave a run half made.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createBound)
	defer cancel()
	if known, err := r.repeated(ctx, about.Creator, about.RequestID, hash); known != nil || err != nil {
		return known, err
	}
	if err := r.hasRoom(about.Creator); err != nil {
		return nil, err
	}
	encoded, err := wire.EncodeNewRun(&about, true)
	if err != nil {
		return nil, err
	}
	head := store.Head{
		ID: "r-" + rand.Text(), Creator: about.Creator, RequestID: about.RequestID, RequestHash: hash, Created: time.Now(), About: encoded,
	}
	if head.Number, err = r.config.Store.Create(ctx, head); err != nil {
		if errors.Is(err, store.ErrFenced) {
			r.config.Fenced()
		}
		return nil, err
	}
	created := newRun(r.config, about, head.ID, head.Number, head.Created)
	r.carryOut(newConductor(created, encoded, r.life, r.leave))
	return created, nil
}

// hasRoom says whether one more run of the creator may go on.
func (r *Registry) hasRoom(creator string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	var all, own int64
	for _, known := range r.live {
		if known.over() {
			continue
		}
		all++
		if known.Creator() == creator {
			own++
		}
	}
	most, each := r.config.MaxRunning, r.config.MaxPerCreator
	switch {
	case all >= most:
		return fmt.Errorf("%w: %d of %d runs (--max-runs) are going on; wait for one to end, or cancel one", ErrFull, all, most)
	case creator != "" && each > 0 && own >= each:
		return &QuotaError{creator, each}
	}
	return nil
}

// repeated is the run that the creator's request_id created.
func (r *Registry) repeated(ctx context.Context, creator, id, hash string) (*Run, error) {
	if id == "" {
		return nil, nil
	}
	runID, usedHash, ok, err := r.config.Store.Request(ctx, creator, id, time.Now().Add(-keepRequestIDs))
	if err != nil || !ok {
		return nil, err
	}
	if usedHash != hash {
		return nil, &UsedError{id, runID, "from another request"}
	}
	known, err := r.Find(ctx, runID)
	if errors.Is(err, store.ErrNoRun) {
		return nil, &UsedError{id, runID, "which is no longer kept"}
	}
	return known, err
}

// Find is the run with the identifier. It fails with store.ErrNoRun.
func (r *Registry) Find(ctx context.Context, id string) (*Run, error) {
	r.mu.Lock()
	known := r.live[id]
	r.mu.Unlock()
	if known != nil {
		return known, nil
	}
	stored, err := r.config.Store.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.kept(stored)
}

// Page is at most n runs, newest first, older than the run with number before (0: from the newest), and whether there are
// more.
func (r *Registry) Page(ctx context.Context, before int64, n int) (page []*Run, more bool, err error) {
	heads, more, err := r.config.Store.Page(ctx, before, n)
	if err != nil {
		return nil, false, err
	}
	for _, head := range heads {
		r.mu.Lock()
		known := r.live[head.ID]
		r.mu.Unlock()
		if known == nil {
			if known, err = r.kept(&store.Run{Head: head}); err != nil {
				return nil, false, err
			}
		}
		page = append(page, known)
	}
	return page, more, nil
}

// Delete forgets a run that has ended. It fails with store.ErrNoRun or ErrNotEnded.
func (r *Registry) Delete(ctx context.Context, id string) error {
	known, err := r.Find(ctx, id)
	if err != nil {
		return err
	}
	if !known.over() {
		return ErrNotEnded
	}
	if err := r.config.Store.Delete(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.live, id)
	return nil
}

// Running is how many runs go on.
func (r *Registry) Running() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.live {
		if !known.over() {
			n++
		}
	}
	return n
}

// Close takes no more runs. With a store that outlives this process it leaves those that go on to their workers' leases; otherwise it
// cancels them. It returns when all have ended or been left; ctx's end cuts them.
func (r *Registry) Close(ctx context.Context) {
	r.mu.Lock()
	already := r.closed
	r.closed = true
	r.mu.Unlock()
	select {
	case r.creating <- struct{}{}: // who creates a run has done so
		defer func() { <-r.creating }()
	case <-ctx.Done():
	}
	r.mu.Lock()
	for _, known := range r.live {
		if !r.config.Durable {
			known.cancelBecause("the run was cancelled, since the coordinator shut down")
		}
	}
	r.mu.Unlock()
	if r.config.Durable && !already {
		close(r.leave)
	}
	defer context.AfterFunc(ctx, r.end)()
	r.going.Wait()
	r.end()
}

// over reports whether the run has ended.
func (r *Run) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}
