package store

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// A store in memory forgets the runs that ended first when the ended ones have too much together, but never the newest, and none that
// goes on.
func TestMemoryKeepsNoMoreBytesThanItMay(t *testing.T) {
	t.Parallel()
	s, err := NewMemory(Options{bytes: 100 << 10}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sized := func(i, size int) Head {
		h := head(i)
		h.About = bytes.Repeat([]byte("p"), size)
		return h
	}
	going := create(t, s, sized(0, 200<<10))
	wantKept := func(ids ...string) {
		t.Helper()
		page, _, err := s.Page(t.Context(), 0, 100)
		if err != nil || len(page) != len(ids) {
			t.Fatalf("Page = %d runs, %v, want %d", len(page), err, len(ids))
		}
		for _, id := range ids {
			if _, err := s.Find(t.Context(), id); err != nil {
				t.Errorf("Find(%s) = %v, want a run", id, err)
			}
		}
	}
	var ended []string
	for i := 1; i <= 5; i++ {
		run := create(t, s, sized(i, 40<<10))
		commit(t, s, Change{RunID: run.ID, Intervals: []Interval{{Second: 0, Tally: make([]byte, 5<<10)}}}, end(run, noon.Add(time.Duration(i)*time.Minute)))
		ended = append(ended, run.ID)
	}
	wantKept(going.ID, ended[3], ended[4]) // two of 45 KiB, and not three
	if _, err := s.Find(t.Context(), ended[2]); !errors.Is(err, ErrNoRun) {
		t.Errorf("Find of one too many = %v, want ErrNoRun", err)
	}
	huge := create(t, s, sized(6, 300<<10))
	commit(t, s, end(huge, noon.Add(time.Hour)))
	wantKept(going.ID, huge.ID)
	commit(t, s, end(going, noon.Add(2*time.Hour)))
	wantKept(going.ID)
}
