package store

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(committerVariable); path != "" {
		os.Exit(commitForever(path))
	}
	// With the race detector SQLite is slow. The command line has the last word.
	if err := flag.Set("rapid.checks", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// backend is a kind of store that the contract holds for.
type backend struct {
	name string
	// reopener makes an empty store, and is how to begin a session with it.
	reopener func(t testing.TB, options Options) func(context.Context) (Store, error)
}

var backends = []backend{
	{"SQLite", func(t testing.TB, options Options) func(context.Context) (Store, error) {
		path := filepath.Join(t.TempDir(), "fanout.db")
		return func(ctx context.Context) (Store, error) { return OpenSQLite(ctx, path, options) }
	}},
	{"Memory", func(_ testing.TB, options Options) func(context.Context) (Store, error) {
		return NewMemory(options).Open
	}},
}

// eachBackend runs a test with every kind of store.
func eachBackend(t *testing.T, options Options, test func(t *testing.T, begin func() Store)) {
	t.Helper()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			reopen := b.reopener(t, options)
			test(t, func() Store { return beginWith(t, reopen) })
		})
	}
}

// beginWith begins a session, which ends with the test at the latest.
func beginWith(t testing.TB, open func(context.Context) (Store, error)) Store {
	t.Helper()
	s, err := open(context.Background())
	if err != nil {
		t.Fatalf("open = %v, want a session", err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v, want no error", err)
	}
}

// openAt begins a session with the file, which ends with the test at the latest.
func openAt(t testing.TB, path string, options Options) Store {
	t.Helper()
	return beginWith(t, func(ctx context.Context) (Store, error) { return OpenSQLite(ctx, path, options) })
}

// noon is a time with all of its nanoseconds.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// creator creates the runs of head.
const creator = "spiffe://fanout.test/ann"

// head is a new run with this number in its texts.
func head(i int) Head {
	return Head{
		ID:          fmt.Sprintf("run-%d", i),
		Creator:     creator,
		RequestID:   fmt.Sprintf("request-%d", i),
		RequestHash: fmt.Sprintf("hash-%d", i),
		Created:     noon.Add(time.Duration(i) * time.Second),
		About:       fmt.Appendf(nil, "plan %d", i),
	}
}

// create stores the run and is it with its number.
func create(t testing.TB, s Store, run Head) Head {
	t.Helper()
	number, err := s.Create(context.Background(), run)
	if err != nil {
		t.Fatalf("Create(%s) = %v, want a number", run.ID, err)
	}
	run.Number = number
	return run
}

func commit(t testing.TB, s Store, changes ...Change) {
	t.Helper()
	if err := s.Commit(context.Background(), changes...); err != nil {
		t.Fatalf("Commit = %v, want no error", err)
	}
}

// end is a change that ends the run at this time.
func end(run Head, at time.Time) Change {
	run.Ended = at
	run.Report = []byte("report of " + run.ID)
	return Change{RunID: run.ID, Head: &run}
}

func find(t testing.TB, s Store, id string) *Run {
	t.Helper()
	run, err := s.Find(context.Background(), id)
	if err != nil {
		t.Fatalf("Find(%s) = %v, want a run", id, err)
	}
	return run
}

// eventually waits for what is about to come true.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
