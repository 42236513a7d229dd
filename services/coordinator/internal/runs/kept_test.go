package runs

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/internal/run"
)

// repeat creates a run with a request_id, from a request of a hash.
func repeat(t *testing.T, r *Registry, id, hash string) *Run {
	t.Helper()
	created, err := r.Create(t.Context(), about(id), hash)
	if err != nil {
		t.Fatalf("Create(%q, %q) = %v, want a run", id, hash, err)
	}
	synctest.Wait()
	return created
}

// identifiers is the identifiers of runs.
func identifiers(all []*Run) (ids []string) {
	for _, one := range all {
		ids = append(ids, one.ID())
	}
	return ids
}

// pageOf is a page of runs, by their identifiers.
func pageOf(t *testing.T, r *Registry, before int64, n int) ([]string, bool) {
	t.Helper()
	page, more, err := r.Page(t.Context(), before, n)
	if err != nil {
		t.Fatalf("Page(%d, %d) = %v, want a page", before, n, err)
	}
	return identifiers(page), more
}

// wantUsed checks that a request_id is refused, and that the error names the run that has it.
func wantUsed(t *testing.T, r *Registry, id, hash string, first *Run) {
	t.Helper()
	var used *UsedError
	if _, err := r.Create(t.Context(), about(id), hash); !errors.As(err, &used) || used.RequestID != id || used.RunID != first.ID() {
		t.Errorf("Create(%q, %q) = %v, want a UsedError of run %s", id, hash, err, first.ID())
	}
}

// A request may be repeated: it is the same run, also when no other could be created. Another one with its id is refused.
func TestRequestID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		first := repeat(t, r, "a", "hash a")
		if got := repeat(t, r, "a", "hash a"); got.ID() != first.ID() {
			t.Errorf("Create() again = run %s, want run %s", got.ID(), first.ID())
		}
		wantUsed(t, r, "a", "hash b", first)
		if got := repeat(t, r, "b", "hash b"); got.ID() == first.ID() {
			t.Error("Create() with another request_id = the same run, want another")
		}
		if a, b := create(t, r), create(t, r); a == b {
			t.Error("Create() without a request_id, twice = the same run, want another")
		}
		defer l.hold()()
		for range maxRunning {
			create(t, r)
		}
		if got := repeat(t, r, "a", "hash a"); got.ID() != first.ID() {
			t.Errorf("Create() again, with no room for another = run %s, want run %s", got.ID(), first.ID())
		}
	})
}

// A request_id is remembered for a day, and longer than its run is kept.
func TestRequestIDIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRegistry(t)
		first := repeat(t, r, "a", "hash")
		for range keepEnded + 2 {
			create(t, r)
		}
		if find(t, r, first.ID()) != nil {
			t.Errorf("Find() = the first of %d runs, want nil", keepEnded+3)
		}
		wantUsed(t, r, "a", "hash", first)
		time.Sleep(keepRequestIDs - time.Nanosecond)
		wantUsed(t, r, "a", "hash", first)
		time.Sleep(time.Nanosecond)
		if got := repeat(t, r, "a", "other hash"); got == nil || got.ID() == first.ID() {
			t.Errorf("Create() after a day = %v, want a new run", got)
		}
	})
}

// The last 100 runs that have ended are kept, and one that goes on, however old it is.
func TestKeptRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		release := l.hold()
		old := create(t, r)
		l.letGo()
		var ended []*Run
		for range keepEnded + 20 {
			ended = append(ended, create(t, r))
		}
		defer l.hold()()
		newest := create(t, r)
		page, more := pageOf(t, r, 0, 1000)
		want := append([]*Run{old}, ended[20:]...)
		want = append(want, newest)
		slices.Reverse(want)
		if !slices.Equal(page, identifiers(want)) || more {
			t.Errorf("Page() = %d runs, more %v, want the newest, %d that ended and the one that goes on", len(page), more, keepEnded)
		}
		if find(t, r, ended[19].ID()) != nil || find(t, r, ended[20].ID()) == nil || find(t, r, old.ID()) == nil {
			t.Errorf("Find() = %v, %v, %v, want nil, a run, a run", find(t, r, ended[19].ID()), find(t, r, ended[20].ID()), find(t, r, old.ID()))
		}
		time.Sleep(time.Millisecond)
		release()
		<-old.Ended()
		if got := old.Current(false); got.Verdict != run.Failed || find(t, r, old.ID()) == nil {
			t.Errorf("Find() of a run that has just ended = %v, want it", find(t, r, old.ID()))
		}
	})
}

// Pages go from the newest to the oldest, and are not disturbed by runs that come or go meanwhile.
func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRegistry(t)
		var all []*Run
		for range 7 {
			all = append(all, create(t, r))
		}
		slices.Reverse(all)
		if page, more := pageOf(t, r, 0, 7); !slices.Equal(page, identifiers(all)) || more {
			t.Errorf("Page(0, 7) = %d runs, more %v, want all 7", len(page), more)
		}
		if page, more := pageOf(t, r, all[6].Number(), 7); len(page) != 0 || more {
			t.Errorf("Page() after the oldest = %d runs, more %v, want none", len(page), more)
		}
		var got []string
		before, more := int64(0), true
		for more {
			var page []string
			page, more = pageOf(t, r, before, 3)
			if len(page) == 0 {
				t.Fatalf("Page(%d, 3) = no run, want one: there were more", before)
			}
			got = append(got, page...)
			before = find(t, r, page[len(page)-1]).Number()
			create(t, r)
		}
		if !slices.Equal(got, identifiers(all)) {
			t.Errorf("all pages = %d runs, want the %d from the newest on", len(got), len(all))
		}
	})
}

// The run that ended last is kept, however long ago it was created.
func TestLastEndedIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		release := l.hold()
		long := create(t, r)
		l.letGo()
		for range keepEnded + 1 {
			create(t, r)
		}
		time.Sleep(time.Millisecond)
		release()
		<-long.Ended()
		create(t, r)
		if find(t, r, long.ID()) == nil {
			t.Error("Find() of the run that ended last = nil, want it: the last 100 that have ended are kept")
		}
	})
}

// Runs that end together are no more than those that are kept.
func TestMostEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		for range keepEnded {
			create(t, r)
		}
		release := l.hold()
		for range maxRunning {
			create(t, r)
		}
		release()
		synctest.Wait()
		if page, _ := pageOf(t, r, 0, 1000); len(page) > keepEnded {
			t.Errorf("runs that have ended and are kept = %d, want %d at most", len(page), keepEnded)
		}
	})
}

// Cancelling ends the wait for workers that cannot be found.
func TestCancelDuringLookup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		l.hold()
		created := create(t, r)
		created.Cancel(t.Context())
		select {
		case <-created.Ended():
		case <-time.After(time.Minute):
			t.Error("the run goes on a minute after Cancel, want it to end at once")
		}
	})
}
