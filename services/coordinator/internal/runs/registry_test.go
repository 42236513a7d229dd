package runs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errNobody is why runs end here: there are no workers, so a run goes no further than the look-up of their addresses.
var errNobody = errors.New("there are no workers")

// lookup stands for the look-up of the workers' addresses. While it is held, runs go on; otherwise they end at once.
type lookup struct {
	mu   sync.Mutex
	held chan struct{} // nil: not held; guarded by mu
}

func (l *lookup) workers(ctx context.Context) ([]string, error) {
	l.mu.Lock()
	held := l.held
	l.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, errNobody
}

// hold makes the runs that are created from now on go on, until release is called.
func (l *lookup) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := make(chan struct{})
	l.held = held
	return func() { close(held) }
}

// letGo makes the runs that are created from now on end at once.
func (l *lookup) letGo() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = nil
}

// keepEnded is how many runs that have ended the store of these tests keeps.
const keepEnded = 100

// find is the run with the identifier, or nil.
func find(t *testing.T, r *Registry, id string) *Run {
	t.Helper()
	found, err := r.Find(t.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNoRun) {
		t.Fatalf("Find(%q) = %v", id, err)
	}
	return found
}

// maxRunning is how many runs may go on at once in tests.
const maxRunning = 64

// newRegistry is a registry without workers, for a test in a bubble.
func newRegistry(t *testing.T) (*Registry, *lookup) {
	t.Helper()
	l := new(lookup)
	session, err := store.NewMemory(store.Options{Keep: keepEnded}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRegistry(t.Context(), Config{
		MaxRunning: maxRunning,
		Workers:    l.workers, Store: session, Lease: 8 * time.Second, Ended: func(run.Verdict) {}, Fenced: func() {}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer func() { _ = session.Close() }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		r.Close(ctx)
	})
	return r, l
}

// about is a run of three requests.
func about(requestID string) run.NewRun {
	return run.NewRun{RequestID: requestID, OnWorkerLoss: run.Reassign, Plan: &plan.Plan{
		Requests: []plan.Request{{URL: "http://a.test/", Method: "GET", Weight: 1, Timeout: time.Second}}, Load: plan.Load{Requests: 3},
	}}
}

// create creates a run, and waits until it has ended or waits itself.
func create(t *testing.T, r *Registry) *Run {
	t.Helper()
	created, err := r.Create(t.Context(), about(""), "")
	if err != nil {
		t.Fatalf("Create() = %v, want a run", err)
	}
	synctest.Wait()
	return created
}

// A run without workers never starts: it fails, and nothing of it was sent.
func TestRunWithoutWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		release := l.hold()
		created := create(t, r)
		if got := created.Current(true); got.State != run.Starting || got.Tally.Counts.Pending != 3 || got.Verdict != run.NoVerdict {
			t.Errorf("Current() = %v, %v, %v, want STARTING, 3 pending, no verdict", got.State, got.Tally.Counts, got.Verdict)
		}
		release()
		<-created.Ended()
		got := created.Current(true)
		if got.State != run.Ended || got.Verdict != run.Failed || got.Reason != errNobody.Error() || !got.Started.IsZero() || got.Ended.IsZero() {
			t.Errorf("Current() = %+v, want ENDED, FAILED, %q, an end and no start", got, errNobody)
		}
		if c := got.Tally.Counts; c.Planned != 3 || c.NotSent != 3 || !c.Closed() {
			t.Errorf("Current() = %v, want 3 not sent", c)
		}
		if found := find(t, r, created.ID()); found == nil || found.ID() != created.ID() || find(t, r, "r-none") != nil {
			t.Errorf("Find() = %v, want the run by its id, and nil without", found)
		}
	})
}

// At most 64 runs go on at once; the end of one makes room for another.
func TestMostRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		releaseFirst := l.hold()
		first := create(t, r)
		defer l.hold()()
		for range maxRunning - 1 {
			create(t, r)
		}
		if _, err := r.Create(t.Context(), about(""), ""); !errors.Is(err, ErrFull) {
			t.Errorf("Create() of run %d = %v, want ErrFull", maxRunning+1, err)
		}
		releaseFirst()
		<-first.Ended()
		create(t, r)
		if _, err := r.Create(t.Context(), about(""), ""); !errors.Is(err, ErrFull) {
			t.Errorf("Create() after one ended and one began = %v, want ErrFull", err)
		}
	})
}

// Close takes nothing new, cancels what goes on, and cuts it when its time is over.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		l.hold()
		created := create(t, r)
		const bound = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), bound)
		defer cancel()
		begun := time.Now()
		r.Close(ctx)
		if took := time.Since(begun); took > bound {
			t.Errorf("Close() = %v, want %v at most", took, bound)
		}
		if got := created.Current(true); got.State != run.Ended || got.Verdict != run.Cancelled || got.Tally.Counts.NotSent != 3 {
			t.Errorf("Current() after Close = %v, %v, %v, want ENDED, CANCELLED, 3 not sent", got.State, got.Verdict, got.Tally.Counts)
		}
		if _, err := r.Create(t.Context(), about(""), ""); !errors.Is(err, ErrClosed) {
			t.Errorf("Create() after Close = %v, want ErrClosed", err)
		}
		if found := find(t, r, created.ID()); found == nil || found.Current(true).Verdict != run.Cancelled {
			t.Errorf("Find() after Close = %v, want the run", found)
		}
		r.Close(t.Context()) // a second one finds nothing to do
	})
}
