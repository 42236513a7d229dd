package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// keep is how many ended runs the stores of this test keep.
const keep = 3

// model is what a store should have: everything in maps, nothing shared with the stores.
type model struct {
	runs map[string]*modelRun
}

type modelRun struct {
	head      Head
	shards    map[int]Shard
	grants    map[[2]int64]Grant
	seconds   map[[2]int64]Second
	intervals map[int64]Interval
}

func (m *model) create(run Head, number int64) {
	run.Number = number
	m.runs[run.ID] = &modelRun{run, map[int]Shard{}, map[[2]int64]Grant{}, map[[2]int64]Second{}, map[int64]Interval{}}
}

// commit is false if a run is missing.
func (m *model) commit(changes []Change) bool {
	for _, c := range changes {
		if m.runs[c.RunID] == nil {
			return false
		}
	}
	for _, c := range changes {
		run := m.runs[c.RunID]
		if c.Head != nil {
			run.head = *c.Head
		}
		for _, s := range c.Shards {
			run.shards[s.Index] = s
		}
		for _, g := range c.Grants {
			run.grants[[2]int64{int64(g.Shard), g.Ordinal}] = g
		}
		for _, s := range c.Seconds {
			run.seconds[[2]int64{s.Second, int64(s.Shard)}] = s
		}
		for _, i := range c.Intervals {
			run.intervals[i.Second] = i
			for key := range run.seconds {
				if key[0] <= i.Second {
					delete(run.seconds, key)
				}
			}
		}
	}
	ended := slices.DeleteFunc(m.heads(), func(h Head) bool { return h.Ended.IsZero() })
	slices.SortFunc(ended, func(a, b Head) int { return cmp.Or(a.Ended.Compare(b.Ended), cmp.Compare(a.Number, b.Number)) })
	for _, h := range ended[:max(len(ended)-keep, 0)] {
		delete(m.runs, h.ID)
	}
	return true
}

// heads is in the order of creation.
func (m *model) heads() []Head {
	var all []Head
	for _, run := range m.runs {
		all = append(all, run.head)
	}
	slices.SortFunc(all, func(a, b Head) int { return cmp.Compare(a.Number, b.Number) })
	return all
}

// run is what Find should say.
func (m *model) run(id string) *Run {
	run := m.runs[id]
	all := &Run{Head: run.head}
	all.Shards = ordered(run.shards, func(a, b Shard) int { return a.Index - b.Index })
	all.Grants = ordered(run.grants, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	all.Seconds = ordered(run.seconds, func(a, b Second) int {
		return cmp.Or(cmp.Compare(a.Second, b.Second), cmp.Compare(a.Shard, b.Shard))
	})
	for second := range run.intervals {
		all.Intervals = max(all.Intervals, second+1)
	}
	return all
}

func ordered[K comparable, V any](rows map[K]V, compare func(a, b V) int) []V {
	var all []V
	for _, row := range rows {
		all = append(all, row)
	}
	slices.SortFunc(all, compare)
	return all
}

func TestRandomSequences(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			directory, n := t.TempDir(), 0
			rapid.Check(t, func(t *rapid.T) {
				n++
				path := filepath.Join(directory, fmt.Sprint(n))
				memory := NewMemory(Options{Keep: keep})
				testRandomSequence(t, func() (Store, error) {
					if b.name == "Memory" {
						return memory.Open(context.Background())
					}
					return OpenSQLite(context.Background(), path, Options{Keep: keep, hasty: true})
				})
				_ = os.Remove(path)
			})
		})
	}
}

func testRandomSequence(t *rapid.T, open func() (Store, error)) {
	reopen := func() Store {
		s, err := open()
		if err != nil {
			t.Fatalf("open = %v, want a session", err)
		}
		return s
	}
	s := reopen()
	defer func() { _ = s.Close() }()
	m := &model{runs: map[string]*modelRun{}}
	created, newest := 0, int64(0)
	anyRun := rapid.Custom(func(t *rapid.T) string {
		return fmt.Sprintf("run-%d", rapid.IntRange(0, max(created-1, 0)).Draw(t, "run"))
	})
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			checkHeads(t, s, m)
			if id := anyRun.Draw(t, "checked"); m.runs[id] != nil {
				checkRun(t, s, m, id)
			}
		},
		"create": func(t *rapid.T) {
			run := head(created)
			created++
			number, err := s.Create(context.Background(), run)
			if err != nil || number <= newest {
				t.Fatalf("Create = %d, %v, want more than %d", number, err, newest)
			}
			newest = number
			m.create(run, number)
		},
		"commit": func(t *rapid.T) {
			var changes []Change
			for range rapid.IntRange(1, 3).Draw(t, "changes") {
				changes = append(changes, drawChange(t, m, anyRun.Draw(t, "id")))
			}
			err := s.Commit(context.Background(), changes...)
			if m.commit(changes) && err != nil || err != nil && !errors.Is(err, ErrNoRun) {
				t.Fatalf("Commit = %v, want no error", err)
			}
		},
		"delete": func(t *rapid.T) {
			id := anyRun.Draw(t, "id")
			err := s.Delete(context.Background(), id)
			if m.runs[id] == nil != errors.Is(err, ErrNoRun) {
				t.Fatalf("Delete(%s) = %v, stored: %v", id, err, m.runs[id] != nil)
			}
			delete(m.runs, id)
		},
		"reopen": func(t *rapid.T) {
			epoch := s.Epoch()
			if err := s.Close(); err != nil {
				t.Fatalf("Close = %v, want no error", err)
			}
			s = reopen()
			if s.Epoch() != epoch+1 {
				t.Fatalf("Epoch = %d, want %d", s.Epoch(), epoch+1)
			}
			checkAll(t, s, m)
		},
	})
	checkAll(t, s, m)
}

// drawChange is a change of the run; what it ends has ended for good.
func drawChange(t *rapid.T, m *model, id string) Change {
	small := rapid.Int64Range(0, 3)
	blobs := rapid.SampledFrom([][]byte{nil, []byte("a"), []byte("bc"), make([]byte, 5000)})
	c := Change{RunID: id}
	if run := m.runs[id]; run != nil && rapid.Bool().Draw(t, "head") {
		h := run.head
		h.Next, h.GivenUp = small.Draw(t, "next"), small.Draw(t, "given up")
		h.About = blobs.Draw(t, "about")
		if rapid.Bool().Draw(t, "end") {
			h.Ended, h.Report = noon.Add(time.Duration(small.Draw(t, "at"))), []byte("report")
		}
		c.Head = &h
	}
	for range small.Draw(t, "shards") {
		c.Shards = append(c.Shards, Shard{
			Index: int(small.Draw(t, "shard")), Sequence: small.Draw(t, "sequence"), Tally: blobs.Draw(t, "tally"),
		})
	}
	for range small.Draw(t, "grants") {
		c.Grants = append(c.Grants, Grant{int(small.Draw(t, "shard")), small.Draw(t, "ordinal"), schedule.Grant{First: small.Draw(t, "first")}})
	}
	for range small.Draw(t, "seconds") {
		c.Seconds = append(c.Seconds, Second{int(small.Draw(t, "shard")), small.Draw(t, "second"), blobs.Draw(t, "tally")})
	}
	for range small.Draw(t, "intervals") {
		c.Intervals = append(c.Intervals, Interval{small.Draw(t, "second"), blobs.Draw(t, "tally")})
	}
	return c
}

// checkAll compares all that can be read.
func checkAll(t *rapid.T, s Store, m *model) {
	var unended []*Run
	for _, h := range m.heads() {
		checkRun(t, s, m, h.ID)
		if h.Ended.IsZero() {
			unended = append(unended, m.run(h.ID))
		}
	}
	if got, err := s.Unended(context.Background()); err != nil || !reflect.DeepEqual(got, unended) {
		t.Fatalf("Unended = %v, %s", err, gocmp.Diff(got, unended))
	}
}

// checkRun compares a run that is stored.
func checkRun(t *rapid.T, s Store, m *model, id string) {
	want := m.run(id)
	got, err := s.Find(context.Background(), id)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Find(%s) = %v, %s", id, err, gocmp.Diff(got, want))
	}
	intervals, more, err := s.Intervals(context.Background(), id, 0, 100)
	wantIntervals := ordered(m.runs[id].intervals, func(a, b Interval) int { return cmp.Compare(a.Second, b.Second) })
	if err != nil || more || !reflect.DeepEqual(intervals, wantIntervals) {
		t.Fatalf("Intervals(%s) = %v, %v, %s", id, more, err, gocmp.Diff(intervals, wantIntervals))
	}
}

// checkHeads compares what runs there are, and their own rows.
func checkHeads(t *rapid.T, s Store, m *model) {
	want := m.heads()
	slices.Reverse(want)
	got, more, err := s.Page(context.Background(), 0, 1000)
	if err != nil || more || !reflect.DeepEqual(got, want) {
		t.Fatalf("Page = %v, %v, %s", more, err, gocmp.Diff(got, want))
	}
}
