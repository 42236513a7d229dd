package runs

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
)

const (
	// keepEnded is how many runs that have ended are kept, the newest.
	keepEnded = 100
	// maxRunning is how many runs may go on at once.
	maxRunning = 64
	// keepRequestIDs is how long a request_id is remembered, so that a CreateRun may be repeated; at most maxRequestIDs are.
	keepRequestIDs = 24 * time.Hour
	maxRequestIDs  = 100_000
)

// ErrFull says that as many runs go on as may.
var ErrFull = fmt.Errorf("%d runs are going on, which is the most at once; wait for one to end, or cancel one", maxRunning)

// UsedError says that a request_id belongs to another request.
type UsedError struct{ RequestID, RunID, Why string }

// Error names the request_id and the run.
func (e *UsedError) Error() string {
	return fmt.Sprintf("request_id %q created run %s, %s; use another request_id", e.RequestID, e.RunID, e.Why)
}

// Registry is the runs that the coordinator knows. It is safe for concurrent use.
type Registry struct {
	config Config
	life   context.Context // its end cuts every run
	end    context.CancelFunc
	going  sync.WaitGroup

	mu       sync.Mutex
	closed   bool // guarded by mu, like what follows
	next     int64
	runs     []*Run // oldest first
	over     []*Run // those that have ended, the first one first
	byID     map[string]*Run
	requests map[string]request
}

// request is what a request_id was used for.
type request struct {
	hash  string
	runID string
	at    time.Time
}

// NewRegistry makes an empty registry. Its owner closes it.
func NewRegistry(config Config) *Registry {
	r := &Registry{config: config, byID: make(map[string]*Run), requests: make(map[string]request)}
	r.life, r.end = context.WithCancel(context.Background())
	return r
}

// Create creates a run and starts it. With a request_id that has created a run from a request of the same hash it returns
// that run. It fails with ErrFull, with *UsedError, or with ErrClosed.
func (r *Registry) Create(about run.NewRun, hash string) (*Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if known, err := r.repeatedLocked(about.RequestID, hash); known != nil || err != nil {
		return known, err
	}
	if r.runningLocked() >= maxRunning {
		return nil, ErrFull
	}
	r.next++
	created := newRun(r.config, about, "r-"+rand.Text(), r.next)
	r.runs = append(r.runs, created)
	r.byID[created.id] = created
	if about.RequestID != "" {
		r.rememberLocked(about.RequestID, request{hash: hash, runID: created.id, at: time.Now()})
	}
	r.going.Go(func() {
		created.carryOut(r.life)
		r.forget(created)
	})
	return created, nil
}

// ErrClosed says that the coordinator is shutting down.
var ErrClosed = fmt.Errorf("the coordinator is shutting down")

// Find is the run with the identifier, or nil.
func (r *Registry) Find(id string) *Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byID[id]
}

// Page is at most n runs, newest first, older than the run with number before (0: from the newest), and whether there are
// more.
func (r *Registry) Page(before int64, n int) (page []*Run, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.runs) - 1; i >= 0; i-- {
		candidate := r.runs[i]
		if before != 0 && candidate.number >= before {
			continue
		}
		if len(page) == n {
			return page, true
		}
		page = append(page, candidate)
	}
	return page, false
}

// Close takes no more runs, cancels those that go on, and returns when all have ended; ctx's end cuts them.
func (r *Registry) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	for _, known := range r.runs {
		known.cancelBecause("the run was cancelled, since the coordinator shut down")
	}
	r.mu.Unlock()
	defer context.AfterFunc(ctx, r.end)()
	r.going.Wait()
	r.end()
}

// repeatedLocked is the run that the request_id created.
func (r *Registry) repeatedLocked(id, hash string) (*Run, error) {
	used, ok := r.requests[id]
	if id == "" || !ok || time.Since(used.at) > keepRequestIDs {
		return nil, nil
	}
	if used.hash != hash {
		return nil, &UsedError{id, used.runID, "from another request"}
	}
	if known := r.byID[used.runID]; known != nil {
		return known, nil
	}
	return nil, &UsedError{id, used.runID, "which is no longer kept"}
}

// rememberLocked notes what a request_id was used for, and forgets those that are too old or too many.
func (r *Registry) rememberLocked(id string, used request) {
	if len(r.requests) >= maxRequestIDs {
		oldest, at := "", time.Now()
		for known, request := range r.requests {
			if time.Since(request.at) > keepRequestIDs {
				delete(r.requests, known)
			} else if request.at.Before(at) {
				oldest, at = known, request.at
			}
		}
		if len(r.requests) >= maxRequestIDs {
			delete(r.requests, oldest)
		}
	}
	r.requests[id] = used
}

func (r *Registry) runningLocked() int {
	n := 0
	for _, known := range r.runs {
		if !known.over() {
			n++
		}
	}
	return n
}

// forget notes that a run has ended, and drops the one that ended first of more than are kept.
func (r *Registry) forget(ended *Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = append(r.over, ended)
	if len(r.over) <= keepEnded {
		return
	}
	first := r.over[0]
	r.over = slices.Delete(r.over, 0, 1)
	delete(r.byID, first.id)
	r.runs = slices.DeleteFunc(r.runs, func(known *Run) bool { return known == first })
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
