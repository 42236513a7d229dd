package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

func TestEveryFieldComesBack(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		if got := find(t, s, run.ID); !cmp.Equal(got, &Run{Head: run}) {
			t.Errorf("Find = %s", cmp.Diff(got, &Run{Head: run}))
		}
		elsewhere := time.FixedZone("elsewhere", 3600)
		run.Started, run.Next, run.GivenUp, run.Cancelled = noon.In(elsewhere), 1_000, 3, "enough"
		run.Ended, run.Report = noon.Add(time.Hour), []byte("report")
		changed := run
		changed.ID, changed.Number, changed.Creator, changed.RequestID, changed.RequestHash, changed.Created = "other", 99, "other", "other", "other", noon
		four, endless := schedule.Grant{First: 1, Stride: 2, Count: 4}, schedule.Grant{First: 9, Stride: 2}
		shard := Shard{
			Index: 1, ID: "b", Address: "b:1", InstanceID: "i", LeaseID: "l", Concurrency: 5, Changes: 2, State: "lost", Sequence: 7, Rows: 8,
			Closed: 9, Acked: 10, Tally: []byte("tally"),
		}
		commit(t, s, Change{
			RunID: run.ID, Head: &changed,
			Shards:    []Shard{shard, {Index: 0, ID: "a", Tally: []byte{}}},
			Grants:    []Grant{{1, 4, endless}, {1, 0, four}, {0, 0, schedule.Grant{Count: 1}}},
			Seconds:   []Second{{1, 2, []byte("1/2")}, {0, 2, []byte("0/2")}, {1, 1, []byte("1/1")}, {0, 0, []byte("0/0")}},
			Intervals: []Interval{{0, []byte("all/0")}},
		})
		run.Started = run.Started.UTC()
		want := &Run{
			Head:      run,
			Shards:    []Shard{{Index: 0, ID: "a"}, shard},
			Grants:    []Grant{{0, 0, schedule.Grant{Count: 1}}, {1, 0, four}, {1, 4, endless}},
			Seconds:   []Second{{1, 1, []byte("1/1")}, {0, 2, []byte("0/2")}, {1, 2, []byte("1/2")}},
			Intervals: 1,
		}
		if got := find(t, s, run.ID); !cmp.Equal(got, want) {
			t.Errorf("Find = %s", cmp.Diff(got, want))
		}
		closeStore(t, s)
		s = begin()
		if got := find(t, s, run.ID); !cmp.Equal(got, want) {
			t.Errorf("Find in the next session = %s", cmp.Diff(got, want))
		}
		if got := find(t, s, run.ID); got.Started.Location() != time.UTC {
			t.Errorf("Started is in %v, want UTC", got.Started.Location())
		}
	})
}

func TestRowsAreReplaced(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		for _, text := range []string{"before", "after"} {
			commit(t, s, Change{
				RunID:     run.ID,
				Shards:    []Shard{{ID: text, Tally: []byte(text)}},
				Grants:    []Grant{{0, 0, schedule.Grant{First: int64(len(text))}}},
				Intervals: []Interval{{0, []byte(text)}},
				Seconds:   []Second{{0, 1, []byte(text)}},
			})
		}
		got := find(t, s, run.ID)
		want := &Run{
			Head: run, Shards: []Shard{{ID: "after", Tally: []byte("after")}}, Grants: []Grant{{0, 0, schedule.Grant{First: 5}}},
			Seconds: []Second{{0, 1, []byte("after")}}, Intervals: 1,
		}
		if !cmp.Equal(got, want) {
			t.Errorf("Find = %s", cmp.Diff(got, want))
		}
		page, more, err := s.Intervals(t.Context(), run.ID, 0, 5)
		if wantPage := []Interval{{0, []byte("after")}}; !cmp.Equal(page, wantPage) || more || err != nil {
			t.Errorf("Intervals = %v, %v, %v, want %v", page, more, err, wantPage)
		}
	})
}

func TestWhatGoesInAndOutIsNotShared(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		tally := []byte("tally")
		commit(t, s, Change{RunID: run.ID, Shards: []Shard{{Tally: tally}}})
		tally[0] = 'x'
		find(t, s, run.ID).Shards[0].Tally[1] = 'x'
		if got := string(find(t, s, run.ID).Shards[0].Tally); got != "tally" {
			t.Errorf("Tally = %q, want %q", got, "tally")
		}
	})
}

func TestANewSessionFencesTheOnesBefore(t *testing.T) {
	t.Parallel()
	// The lock, which would refuse the second session, is left out.
	eachBackend(t, Options{shared: true}, func(t *testing.T, begin func() Store) {
		first := begin()
		run := create(t, first, head(1))
		second := begin()
		if first.Epoch() != 1 || second.Epoch() != 2 {
			t.Errorf("epochs = %d, %d, want 1, 2", first.Epoch(), second.Epoch())
		}
		_, err := first.Create(t.Context(), head(2))
		for call, err := range map[string]error{
			"Create": err,
			"Commit": first.Commit(t.Context(), end(run, noon)),
			"Delete": first.Delete(t.Context(), run.ID),
		} {
			if !errors.Is(err, ErrFenced) {
				t.Errorf("%s = %v, want ErrFenced", call, err)
			}
		}
		if got := find(t, second, run.ID); !cmp.Equal(got, &Run{Head: run}) {
			t.Errorf("Find = %s", cmp.Diff(got, &Run{Head: run}))
		}
		commit(t, second, end(run, noon))
	})
}

func TestEpochsRise(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		for want := int64(1); want <= 3; want++ {
			s := begin()
			if s.Epoch() != want {
				t.Errorf("Epoch = %d, want %d", s.Epoch(), want)
			}
			closeStore(t, s)
		}
	})
}

func TestNumbersAreNotUsedAgain(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		first := create(t, s, head(1))
		if _, err := s.Create(t.Context(), head(1)); err == nil {
			t.Error("Create of the same run = no error, want one")
		}
		second := create(t, s, head(2))
		if err := s.Delete(t.Context(), second.ID); err != nil {
			t.Errorf("Delete = %v, want no error", err)
		}
		closeStore(t, s)
		third := create(t, begin(), head(3))
		if first.Number >= second.Number || second.Number >= third.Number {
			t.Errorf("numbers = %d, %d, %d, want them to rise", first.Number, second.Number, third.Number)
		}
	})
}

func TestTheRunsThatEndedFirstArePruned(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{Keep: 2}, func(t *testing.T, begin func() Store) {
		s := begin()
		var runs []Head
		for i := range 6 {
			runs = append(runs, create(t, s, head(i)))
			commit(t, s, Change{RunID: runs[i].ID, Shards: []Shard{{}}, Grants: []Grant{{}}, Seconds: []Second{{Second: 1}}, Intervals: []Interval{{}}})
		}
		// The last created ends first; 4 and 3 at the same time; 0 never.
		commit(t, s, end(runs[5], noon))
		commit(t, s, end(runs[4], noon.Add(1)), end(runs[3], noon.Add(1)))
		wantStored(t, s, runs, 0, 1, 2, 3, 4)
		commit(t, s, end(runs[2], noon.Add(2)))
		wantStored(t, s, runs, 0, 1, 2, 4)
		commit(t, s, end(runs[1], noon.Add(-1)))
		wantStored(t, s, runs, 0, 2, 4)
		if _, _, ok, err := s.Request(t.Context(), creator, "request-5", noon); !ok || err != nil {
			t.Errorf("Request of a pruned run = %v, %v, want it remembered", ok, err)
		}
	})
}

// wantStored checks that these runs are stored, and the others not.
func wantStored(t *testing.T, s Store, runs []Head, want ...int) {
	t.Helper()
	var got []int
	for i, run := range runs {
		_, err := s.Find(t.Context(), run.ID)
		if err == nil {
			got = append(got, i)
		} else if !errors.Is(err, ErrNoRun) {
			t.Errorf("Find(%s) = %v, want ErrNoRun", run.ID, err)
		}
	}
	if !cmp.Equal(got, want) {
		t.Errorf("stored = %v, want %v", got, want)
	}
}

func TestRequestsAreRemembered(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{requests: 3}, func(t *testing.T, begin func() Store) {
		s := begin()
		want := func(requestID string, after time.Time, wantRun string) {
			t.Helper()
			run, hash, ok, err := s.Request(t.Context(), creator, requestID, after)
			if run != wantRun || ok != (wantRun != "") || ok != (hash != "") || err != nil {
				t.Errorf("Request(%q) = %q, %q, %v, %v, want run %q", requestID, run, hash, ok, err, wantRun)
			}
		}
		run := create(t, s, head(1))
		want("request-1", run.Created.Add(-1), "run-1")
		want("request-1", time.Time{}, "run-1")
		want("request-1", run.Created, "")
		want("request-2", time.Time{}, "")
		if err := s.Delete(t.Context(), run.ID); err != nil {
			t.Errorf("Delete = %v, want no error", err)
		}
		closeStore(t, s)
		s = begin()
		want("request-1", time.Time{}, "run-1")

		again := head(2)
		again.RequestID = "request-1"
		create(t, s, again)
		want("request-1", time.Time{}, "run-2")

		none := head(3)
		none.RequestID = ""
		create(t, s, none)
		want("", time.Time{}, "")
		for i := 4; i < 7; i++ {
			create(t, s, head(i))
		}
		want("request-1", time.Time{}, "")
		want("request-4", time.Time{}, "run-4")
		want("request-6", time.Time{}, "run-6")
	})
}

func TestEachCreatorHasItsOwnRequests(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{requests: 3}, func(t *testing.T, begin func() Store) {
		s := begin()
		want := func(creator, wantRun string) {
			t.Helper()
			run, _, ok, err := s.Request(t.Context(), creator, "same", time.Time{})
			if run != wantRun || ok != (wantRun != "") || err != nil {
				t.Errorf("Request of %q = %q, %v, %v, want run %q", creator, run, ok, err, wantRun)
			}
		}
		for i, who := range []string{"ann", "bob", ""} {
			run := head(i)
			run.Creator, run.RequestID = who, "same"
			if got := find(t, s, create(t, s, run).ID).Creator; got != who {
				t.Errorf("Creator = %q, want %q", got, who)
			}
		}
		want("ann", "run-0")
		want("bob", "run-1")
		want("", "run-2")
		want("eve", "")
		closeStore(t, s)
		s = begin()
		want("ann", "run-0")
		create(t, s, head(3)) // one more than are remembered
		want("ann", "")
		want("bob", "run-1")
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		var runs []Head
		for i := range 5 {
			runs = append(runs, create(t, s, head(i)))
		}
		for _, c := range []struct {
			name   string
			before int64
			n      int
			want   []Head
			more   bool
		}{
			{"the newest", 0, 2, []Head{runs[4], runs[3]}, true},
			{"the next", runs[3].Number, 2, []Head{runs[2], runs[1]}, true},
			{"the last", runs[1].Number, 2, []Head{runs[0]}, false},
			{"none", runs[0].Number, 2, nil, false},
			{"exactly all", 0, 5, []Head{runs[4], runs[3], runs[2], runs[1], runs[0]}, false},
			{"whether there are any", 0, 0, nil, true},
		} {
			got, more, err := s.Page(t.Context(), c.before, c.n)
			if len(got)+len(c.want) > 0 && !cmp.Equal(got, c.want) || more != c.more || err != nil {
				t.Errorf("%s: Page = %v, more %v, %v, want more %v: %s", c.name, len(got), more, err, c.more, cmp.Diff(got, c.want))
			}
		}
	})
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		var all []Interval
		for i := range int64(5) {
			all = append(all, Interval{i, fmt.Appendf(nil, "second %d", i)})
			commit(t, s, Change{RunID: run.ID, Seconds: []Second{{0, i, nil}, {0, i + 1, nil}}})
			commit(t, s, Change{RunID: run.ID, Intervals: all[i:]})
			if got := find(t, s, run.ID); got.Intervals != i+1 || len(got.Seconds) != 1 || got.Seconds[0].Second != i+1 {
				t.Errorf("Find = intervals %d, seconds %v, want %d and second %d", got.Intervals, got.Seconds, i+1, i+1)
			}
		}
		for _, c := range []struct {
			from int64
			n    int
			want []Interval
			more bool
		}{{0, 2, all[:2], true}, {2, 3, all[2:], false}, {4, 9, all[4:], false}, {5, 1, nil, false}, {0, 0, nil, true}} {
			got, more, err := s.Intervals(t.Context(), run.ID, c.from, c.n)
			if len(got)+len(c.want) > 0 && !cmp.Equal(got, c.want) || more != c.more || err != nil {
				t.Errorf("Intervals(%d, %d) = %v, %v, %v, want %v, %v", c.from, c.n, got, more, err, c.want, c.more)
			}
		}
	})
}

func TestUnendedIsWhatGoesOn(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		var want []*Run
		for i := range 4 {
			run := create(t, s, head(i))
			if i == 1 {
				commit(t, s, end(run, noon))
				continue
			}
			shards := []Shard{{Index: 0, ID: run.ID}}
			commit(t, s, Change{RunID: run.ID, Shards: shards, Intervals: []Interval{{Second: 3}}})
			want = append(want, &Run{Head: run, Shards: shards, Intervals: 4})
		}
		closeStore(t, s)
		got, err := begin().Unended(t.Context())
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("Unended = %v, %s", err, cmp.Diff(got, want))
		}
	})
}

func TestARunThatIsNotStored(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		_, errFind := s.Find(t.Context(), "none")
		_, _, errIntervals := s.Intervals(t.Context(), "none", 0, 1)
		for call, err := range map[string]error{
			"Find":      errFind,
			"Intervals": errIntervals,
			"Delete":    s.Delete(t.Context(), "none"),
			"Commit":    s.Commit(t.Context(), end(run, noon), Change{RunID: "none"}),
		} {
			if !errors.Is(err, ErrNoRun) {
				t.Errorf("%s = %v, want ErrNoRun", call, err)
			}
		}
		if got := find(t, s, run.ID); !got.Ended.IsZero() {
			t.Error("one of two changes was made, want none")
		}
	})
}

func TestCallsWithAnEndedContext(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, errCreate := s.Create(ctx, head(2))
		_, errFind := s.Find(ctx, run.ID)
		_, errUnended := s.Unended(ctx)
		_, _, errPage := s.Page(ctx, 0, 1)
		for call, err := range map[string]error{
			"Create": errCreate, "Commit": s.Commit(ctx, end(run, noon)), "Delete": s.Delete(ctx, run.ID), "Find": errFind,
			"Unended": errUnended, "Page": errPage,
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s = %v, want context.Canceled", call, err)
			}
		}
		commit(t, s, end(run, noon))
	})
}

func TestCallsAfterClose(t *testing.T) {
	t.Parallel()
	eachBackend(t, Options{}, func(t *testing.T, begin func() Store) {
		s := begin()
		run := create(t, s, head(1))
		closeStore(t, s)
		closeStore(t, s)
		_, errCreate := s.Create(t.Context(), head(2))
		_, errFind := s.Find(t.Context(), run.ID)
		for call, err := range map[string]error{"Create": errCreate, "Commit": s.Commit(t.Context(), end(run, noon)), "Find": errFind} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s = %v, want ErrClosed", call, err)
			}
		}
	})
}
