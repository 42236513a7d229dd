package runs

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
)

// slowStore is a store that takes its time, and makes what was asked for all the same.
type slowStore struct {
	store.Store
	takes time.Duration
}

func (s *slowStore) Create(ctx context.Context, run store.Head) (int64, error) {
	time.Sleep(s.takes)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return s.Store.Create(context.WithoutCancel(ctx), run)
}

// A run whose creator goes away while it is stored is carried out, or not made: it is not left half made.
func TestCreatorThatGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session, err := store.NewMemory(store.Options{}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewRegistry(t.Context(), Config{
			MaxRunning: maxRunning,
			Workers:    new(lookup).workers, Store: &slowStore{session, time.Second}, Lease: 8 * time.Second, Ended: func(run.Verdict) {}, Fenced: func() {},
			Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		created, err := r.Create(ctx, about("once"), "hash")
		if err != nil {
			t.Fatalf("Create() = %v, want the run that is stored", err)
		}
		<-created.Ended()
		second, err := r.Create(t.Context(), about("once"), "hash")
		if err != nil || second.ID() != created.ID() {
			t.Errorf("Create() again = %v, %v, want run %s", second, err, created.ID())
		}
		r.Close(t.Context())
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
}

// aConductor is a conductor of a run that has begun, with a shard that is finished.
func aConductor(t *testing.T, config Config) *conductor {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	c := newConductor(newRun(config, about(""), "r-1", 1, time.Now()), nil, ctx, nil)
	s := c.place("a.test:7070", 1, true)
	s.hold.lease, s.hold.finished, s.hold.closed = "lease", true, true
	c.startAt(time.Now())
	return c
}

// A run ends when its store hangs: its shards were stopped, and nothing more can be stored of them.
func TestRunWithAStoreThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := aConductor(t, Config{Lease: 8 * time.Second, Log: slog.New(slog.DiscardHandler)})
		c.saving, c.savingFrom = true, time.Now()
		if c.isOver() {
			t.Error("isOver() = true while the end of the shard is being stored")
		}
		time.Sleep(c.patience() + time.Second)
		c.checkStore(time.Now())
		if !c.stopped || c.failed == "" {
			t.Errorf("the run is stopped: %v, because %q, want it stopped since the store hangs", c.stopped, c.failed)
		}
		if !c.isOver() {
			t.Error("isOver() = false although the store hangs, and every shard is finished")
		}
	})
}

// A run whose start nobody knows any more looks for no workers: they would begin it anew.
func TestNobodyJoinsARunWithoutAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := aConductor(t, Config{Lease: 8 * time.Second, Log: slog.New(slog.DiscardHandler), Workers: func(context.Context) ([]string, error) {
			asked++
			return nil, errNobody
		}})
		s := c.shards[0]
		s.hold.finished, s.hold.lost = false, true
		time.Sleep(2 * tick) // it is silent
		for _, tt := range []struct {
			start time.Time
			want  int
		}{{time.Time{}, 0}, {time.Now(), 1}} {
			c.start = tt.start
			c.vacate()
			synctest.Wait()
			if asked != tt.want {
				t.Errorf("workers were looked for %d times with the start %v, want %d", asked, tt.start, tt.want)
			}
			if over := c.isOver(); over != (tt.want == 0) {
				t.Errorf("isOver() = %v with the start %v, want %v", over, tt.start, tt.want == 0)
			}
		}
		c.cut()
		c.others.Wait()
	})
}
