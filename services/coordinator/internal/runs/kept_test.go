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
	created, err := r.Create(about(id), hash)
	if err != nil {
		t.Fatalf("Create(%q, %q) = %v, want a run", id, hash, err)
	}
	synctest.Wait()
	return created
}

// wantUsed checks that a request_id is refused, and that the error names the run that has it.
func wantUsed(t *testing.T, r *Registry, id, hash string, first *Run) {
	t.Helper()
	var used *UsedError
	if _, err := r.Create(about(id), hash); !errors.As(err, &used) || used.RequestID != id || used.RunID != first.ID() {
		t.Errorf("Create(%q, %q) = %v, want a UsedError of run %s", id, hash, err, first.ID())
	}
}

// A request may be repeated: it is the same run, also when no other could be created. Another one with its id is refused.
func TestRequestID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := newRegistry(t)
		first := repeat(t, r, "a", "hash a")
		if got := repeat(t, r, "a", "hash a"); got != first {
			t.Errorf("Create() again = run %s, want run %s", got.ID(), first.ID())
		}
		wantUsed(t, r, "a", "hash b", first)
		if got := repeat(t, r, "b", "hash b"); got == first {
			t.Error("Create() with another request_id = the same run, want another")
		}
		if a, b := create(t, r), create(t, r); a == b {
			t.Error("Create() without a request_id, twice = the same run, want another")
		}
		defer l.hold()()
		for range maxRunning {
			create(t, r)
		}
		if got := repeat(t, r, "a", "hash a"); got != first {
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
		if r.Find(first.ID()) != nil {
			t.Errorf("Find() = the first of %d runs, want nil", keepEnded+3)
		}
		wantUsed(t, r, "a", "hash", first)
		time.Sleep(keepRequestIDs)
		wantUsed(t, r, "a", "hash", first)
		time.Sleep(time.Nanosecond)
		if got := repeat(t, r, "a", "other hash"); got == nil || got.ID() == first.ID() {
			t.Errorf("Create() after a day = %v, want a new run", got)
		}
	})
}

// The number of request_ids that are remembered is bounded: the oldest makes room.
func TestMostRequestIDs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds with -race")
	}
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRegistry(t)
		first := repeat(t, r, "first", "hash")
		time.Sleep(time.Second)
		second := repeat(t, r, "second", "hash")
		for i := len(r.requests); i < maxRequestIDs; i++ {
			r.requests[time.Duration(i).String()] = request{at: time.Now()}
		}
		time.Sleep(time.Second)
		repeat(t, r, "newest", "hash")
		if got := len(r.requests); got != maxRequestIDs {
			t.Errorf("request_ids = %d, want %d", got, maxRequestIDs)
		}
		if got := repeat(t, r, "second", "hash"); got != second {
			t.Errorf("Create() of the second = run %s, want %s", got.ID(), second.ID())
		}
		if got := repeat(t, r, "first", "another hash"); got == first {
			t.Error("Create() of the first, with another hash = the first run, want another")
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
		page, more := r.Page(0, 1000)
		want := append([]*Run{old}, ended[20:]...)
		want = append(want, newest)
		slices.Reverse(want)
		if !slices.Equal(page, want) || more {
			t.Errorf("Page() = %d runs, more %v, want the newest, %d that ended and the one that goes on", len(page), more, keepEnded)
		}
		if r.Find(ended[19].ID()) != nil || r.Find(ended[20].ID()) == nil || r.Find(old.ID()) == nil {
			t.Errorf("Find() = %v, %v, %v, want nil, a run, a run", r.Find(ended[19].ID()), r.Find(ended[20].ID()), r.Find(old.ID()))
		}
		release()
		<-old.Ended()
		if got := old.Current(false); got.Verdict != run.Failed || r.Find(old.ID()) != old {
			t.Errorf("Find() of a run that has just ended = %v, want it", r.Find(old.ID()))
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
		if page, more := r.Page(0, 7); !slices.Equal(page, all) || more {
			t.Errorf("Page(0, 7) = %d runs, more %v, want all 7", len(page), more)
		}
		if page, more := r.Page(all[6].Number(), 7); len(page) != 0 || more {
			t.Errorf("Page() after the oldest = %d runs, more %v, want none", len(page), more)
		}
		var got []*Run
		before, more := int64(0), true
		for more {
			var page []*Run
			page, more = r.Page(before, 3)
			if len(page) == 0 {
				t.Fatalf("Page(%d, 3) = no run, want one: there were more", before)
			}
			got = append(got, page...)
			before = page[len(page)-1].Number()
			create(t, r)
		}
		if !slices.Equal(got, all) {
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
		release()
		<-long.Ended()
		create(t, r)
		if r.Find(long.ID()) != long {
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
		if page, _ := r.Page(0, 1000); len(page) > keepEnded {
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
		created.Cancel()
		select {
		case <-created.Ended():
		case <-time.After(time.Minute):
			t.Error("the run goes on a minute after Cancel, want it to end at once")
		}
	})
}
