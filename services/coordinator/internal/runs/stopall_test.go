package runs

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/run"
)

// A run that is just being created when everything is stopped is stopped too; one that is created afterwards is not.
func TestStopAllWaitsForWhoCreatesARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session, err := store.NewMemory(store.Options{}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l := new(lookup)
		defer l.hold()()
		r, err := NewRegistry(t.Context(), Config{
			Workers: l.workers, Store: &slowStore{session, time.Second}, Lease: 8 * time.Second, MaxRunning: maxRunning, Ended: func(run.Verdict) {}, Fenced: func() {}, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		created := make(chan *Run, 1)
		go func() {
			one, err := r.Create(t.Context(), about(""), "")
			if err != nil {
				t.Errorf("Create() = %v, want a run", err)
			}
			created <- one
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		const why = "the run was cancelled by StopAll of root"
		if n := r.StopAll(ctx, why); n != 1 {
			t.Errorf("StopAll() = %d, want the run that was being created", n)
		}
		first := <-created
		<-first.Ended()
		if got := first.Current(false); got.Verdict != run.Cancelled || got.Reason != why+" before its start; nothing was sent" {
			t.Errorf("Current() = %v, %q, want CANCELLED by StopAll", got.Verdict, got.Reason)
		}
		second, err := r.Create(t.Context(), about(""), "")
		if err != nil || second.isCancelled() {
			t.Errorf("Create() after StopAll = %v, want a run that goes on", err)
		}
		r.Close(ctx)
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
}

// One creator has its share of the runs that go on; nobody who has no name has one.
func TestMostOfOneCreator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		r.config.MaxPerCreator = 2
		release := l.hold()
		creates := func(creator string, n int, want bool) {
			t.Helper()
			for range n {
				one := about("")
				one.Creator = creator
				_, err := r.Create(t.Context(), one, "")
				var quota *QuotaError
				if full := errors.As(err, &quota); full == want || full && (quota.Creator != creator || quota.Cap != 2) || err != nil && !full {
					t.Errorf("Create() of %q = %v, want a run: %v", creator, err, want)
				}
			}
		}
		creates("ann", 2, true)
		creates("ann", 1, false)
		creates("bob", 2, true)
		creates("", 5, true)
		release()
		synctest.Wait()
		l.letGo() // those that come now end at once
		creates("ann", 2, true)
	})
}

// A worker that was told to stop everything is not asked again in the same run, when another's place is free.
func TestAStoppedWorkerIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var (
			mu    sync.Mutex
			asked []string
		)
		c := aConductor(t, Config{
			Lease: 8 * time.Second, Log: slog.New(slog.DiscardHandler),
			Workers: func(context.Context) ([]string, error) { return []string{"a.test:7070", "b.test:7070"}, nil },
			Dial: func(address string) (dispatch.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, address)
				return nil, errNobody
			},
		})
		stopped := c.shards[0]
		stopped.halted = true
		stopped.blameStop()
		c.vacate()
		synctest.Wait()
		if want := []string{"b.test:7070"}; !slices.Equal(asked, want) {
			t.Errorf("asked = %q, want %q: the other one was stopped", asked, want)
		}
		c.cut()
		c.others.Wait()
	})
}
