package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

func TestConcurrentCommits(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		const callers, commits = 12, 6
		s := begin()
		var calling sync.WaitGroup
		for i := range callers {
			calling.Go(func() {
				run := create(t, s, head(i))
				for n := range int64(commits) {
					err := s.Commit(t.Context(), Change{RunID: run.ID, Grants: []Grant{{0, n, schedule.Grant{First: n}}}})
					if err != nil {
						t.Errorf("Commit = %v, want no error", err)
					}
					if got := find(t, s, run.ID); len(got.Grants) != int(n)+1 {
						t.Errorf("Find after commit %d = %d grants, want them all", n, len(got.Grants))
					}
				}
			})
		}
		calling.Wait()
		closeStore(t, s)
		runs, err := begin().Unended(t.Context())
		if err != nil || len(runs) != callers {
			t.Fatalf("Unended = %d runs, %v, want %d", len(runs), err, callers)
		}
		for _, run := range runs {
			if len(run.Grants) != commits {
				t.Errorf("%s has %d grants, want %d", run.ID, len(run.Grants), commits)
			}
		}
	})
}

func TestABadChangeAmongGoodOnes(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(0))
		var calling sync.WaitGroup
		for i := range 60 {
			calling.Go(func() {
				good := Change{RunID: run.ID, Shards: []Shard{{Index: i}}}
				if i%3 == 0 {
					if err := s.Commit(t.Context(), good, Change{RunID: "none"}); !errors.Is(err, ErrNoRun) {
						t.Errorf("Commit of a bad change = %v, want ErrNoRun", err)
					}
				} else if err := s.Commit(t.Context(), good); err != nil {
					t.Errorf("Commit of a good change = %v, want no error", err)
				}
			})
		}
		calling.Wait()
		got := find(t, s, run.ID).Shards
		if len(got) != 40 {
			t.Errorf("%d shards are stored, want 40", len(got))
		}
		for _, shard := range got {
			if shard.Index%3 == 0 {
				t.Errorf("shard %d is stored, want none of a bad change", shard.Index)
			}
		}
	})
}

// stopped is a group whose writer waits until it is let go, and tells of every batch.
func stopped(t *testing.T) (g *group, batches chan []*job, letGo chan struct{}) {
	t.Helper()
	batches, letGo = make(chan []*job, 10), make(chan struct{})
	g = newGroup(func(batch []*job) {
		batches <- batch
		<-letGo
		for _, j := range batch {
			j.result <- j.apply(nil)
		}
	})
	return g, batches, letGo
}

func TestCallersDuringATransactionShareTheNext(t *testing.T) {
	t.Parallel()
	g, batches, letGo := stopped(t)
	var calling sync.WaitGroup
	call := func(i int) {
		calling.Go(func() {
			want := fmt.Errorf("error %d", i)
			if err := g.do(t.Context(), func(*transaction) error { return want }); !errors.Is(err, want) {
				t.Errorf("do = %v, want %v", err, want)
			}
		})
	}
	call(0)
	if n := len(<-batches); n != 1 {
		t.Errorf("the first batch has %d jobs, want 1", n)
	}
	for i := range 5 {
		call(i + 1)
	}
	waitFor(t, g, 5)
	close(letGo)
	if n := len(<-batches); n != 5 {
		t.Errorf("the second batch has %d jobs, want 5", n)
	}
	calling.Wait()
	g.close()
	if err := g.do(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("do after close = %v, want ErrClosed", err)
	}
}

func TestACallerWhoseContextEndsDoesNotWait(t *testing.T) {
	t.Parallel()
	g, batches, letGo := stopped(t)
	first, cancelFirst := context.WithCancel(t.Context())
	second, cancelSecond := context.WithCancel(t.Context())
	var calling sync.WaitGroup
	made := make(chan string, 2)
	call := func(ctx context.Context, name string) {
		calling.Go(func() {
			err := g.do(ctx, func(*transaction) error { made <- name; return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("do of the %s = %v, want context.Canceled", name, err)
			}
		})
	}
	call(first, "first")
	<-batches
	call(second, "second")
	waitFor(t, g, 1)
	cancelFirst()
	cancelSecond()
	calling.Wait()
	close(letGo)
	g.close()
	close(made)
	var all []string
	for name := range made {
		all = append(all, name)
	}
	// The first one's transaction was on its way; the second one's never began.
	if len(all) != 1 || all[0] != "first" {
		t.Errorf("made = %v, want the first", all)
	}
}

func TestCloseMakesWhatWasAskedBefore(t *testing.T) {
	t.Parallel()
	g, batches, letGo := stopped(t)
	var calling sync.WaitGroup
	call := func() {
		calling.Go(func() {
			if err := g.do(t.Context(), func(*transaction) error { return nil }); err != nil {
				t.Errorf("do = %v, want no error", err)
			}
		})
	}
	call()
	<-batches
	call()
	waitFor(t, g, 1)
	calling.Go(g.close)
	close(letGo)
	calling.Wait()
}

// waitFor waits until so many jobs wait.
func waitFor(t *testing.T, g *group, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d jobs wait", n), func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.waiting) == n
	})
}
