package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fanout-load/fanout/services/internal/schedule"
)

// committerVariable has the path of a store for a child of the test that commits until it is killed.
const committerVariable = "FANOUT_STORE_TEST_COMMITTER"

// commitForever commits the grants 0, 1, 2 … and prints the number of each when it is stored.
func commitForever(path string) int {
	err := func() error {
		ctx := context.Background()
		s, err := OpenSQLite(ctx, path, Options{})
		if err != nil {
			return err
		}
		runs, err := s.Unended(ctx)
		if err != nil {
			return err
		}
		run := head(1)
		next := int64(0)
		if len(runs) == 0 {
			if _, err := s.Create(ctx, run); err != nil {
				return err
			}
		} else {
			run, next = runs[0].Head, runs[0].Next
		}
		for ; ; next++ {
			run.Next = next + 1
			err := s.Commit(ctx, Change{
				RunID: run.ID, Head: &run,
				Shards: []Shard{{Tally: make([]byte, 20<<10)}},
				Grants: []Grant{{0, next, schedule.Grant{First: next, Stride: 1, Count: 1}}},
			})
			if err != nil {
				return err
			}
			fmt.Println(next)
		}
	}()
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestKilledWhileItCommits(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	path := filepath.Join(directory, "fanout.db")
	for round := range 4 {
		// It is killed after some commits, wherever it is then, and the next one starts at once.
		last := runUntilKilled(t, path, 30+50*round, func() {})
		left, err := OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatalf("OpenReadOnly of a killed coordinator's store = %v, want no error", err)
		}
		wantGrants(t, left, last)
		closeStore(t, left)
		wantFiles(t, directory, "fanout.db", "fanout.db-wal")
	}
	s := openAt(t, path, Options{})
	if s.Epoch() != 5 {
		t.Errorf("Epoch = %d, want 5", s.Epoch())
	}
	var verdict string
	if err := s.(*sqliteStore).db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check = %q, %v, want ok", verdict, err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	runUntilKilled(t, path, 3, func() {
		_, err := OpenSQLite(t.Context(), path, Options{})
		wantError(t, "OpenSQLite", err, ErrInUse, path)
		_, err = OpenReadOnly(t.Context(), path)
		wantError(t, "OpenReadOnly", err, ErrInUse, path)
	})
	if s := openAt(t, path, Options{}); s.Epoch() != 2 {
		t.Errorf("Epoch = %d, want 2: those that were refused take none", s.Epoch())
	}
}

// runUntilKilled starts a child that commits. After so many lines it calls before, and kills the child. It is the last number that
// the child has printed.
func runUntilKilled(t *testing.T, path string, lines int, before func()) (last int64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), committerVariable+"="+path)
	child.Stderr = os.Stderr
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	last = -1
	printed := bufio.NewScanner(output)
	for n := 1; printed.Scan(); n++ {
		if last, err = strconv.ParseInt(printed.Text(), 10, 64); err != nil {
			t.Fatalf("the child printed %q, want a number", printed.Text())
		}
		if n == lines {
			before()
			if err := child.Process.Kill(); err != nil { // what it has printed by then is still read
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || last < 0 {
		t.Fatalf("the child ended with %v after %d, want it killed", err, last)
	}
	return last
}

// wantGrants checks that the grants from 0 to last are stored, perhaps one more, and that everything agrees.
func wantGrants(t *testing.T, s Store, last int64) {
	t.Helper()
	run := find(t, s, "run-1")
	if n := int64(len(run.Grants)); n != run.Next || n != last+1 && n != last+2 {
		t.Errorf("%d grants and next slot %d are stored, want both to be %d, or one more", n, run.Next, last+1)
	}
	for i, g := range run.Grants {
		if g.Ordinal != int64(i) {
			t.Fatalf("grant %d has ordinal %d", i, g.Ordinal)
		}
	}
}
