package store

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// onDisk is every byte that the store at path has in its directory.
func onDisk(t interface{ Fatal(...any) }, path string) []byte {
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return all
}

// What a run was created with is gone from the disk as soon as its end is stored, while the coordinator goes on: from the pages in
// use, the free ones and the log, whatever its size and whatever was stored beside it. So is a run that was deleted.
func TestWhatWasReplacedIsNotOnTheDisk(t *testing.T) {
	t.Parallel()
	directory, n, runs := t.TempDir(), 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(directory, fmt.Sprintf("%d.db", n))
		s, err := OpenSQLite(t.Context(), path, Options{Keep: 20, hasty: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		var going []Head
		secret := func(h Head) []byte { return []byte("canary-" + h.ID + ";") }
		endOne := func(h Head) {
			h.About, h.Ended = []byte(strings.Repeat("s", rapid.IntRange(1, 5000).Draw(t, "kept"))), time.Now()
			h.Report = []byte(strings.Repeat("r", rapid.IntRange(1, 9000).Draw(t, "report")))
			if err := s.Commit(t.Context(), Change{RunID: h.ID, Head: &h}); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(onDisk(t, path), secret(h)) {
				t.Fatalf("what run %s was created with is on the disk after its end", h.ID)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				runs++
				h := head(runs)
				size := rapid.SampledFrom([]int{30, 300, 1500, 4000, 5000, 40_000, 400_000}).Draw(t, "size")
				h.About = bytes.Repeat(secret(h), size/len(secret(h))+1)
				if _, err := s.Create(t.Context(), h); err != nil {
					t.Fatal(err)
				}
				if !bytes.Contains(onDisk(t, path), secret(h)) {
					t.Fatalf("what run %s was created with is nowhere: this test would find nothing", h.ID)
				}
				going = append(going, h)
			},
			"go on": func(t *rapid.T) {
				if len(going) == 0 {
					t.Skip()
				}
				h := going[rapid.IntRange(0, len(going)-1).Draw(t, "run")]
				change := Change{RunID: h.ID, Head: &h, Shards: []Shard{{Tally: make([]byte, rapid.IntRange(0, 9000).Draw(t, "tally"))}}}
				if err := s.Commit(t.Context(), change); err != nil {
					t.Fatal(err)
				}
			},
			"end": func(t *rapid.T) {
				if len(going) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(going)-1).Draw(t, "run")
				h := going[i]
				going = append(going[:i], going[i+1:]...)
				endOne(h)
			},
		})
		for _, h := range going {
			endOne(h)
		}
		if bytes.Contains(onDisk(t, path), []byte("canary-")) {
			t.Fatal("something of the runs is on the disk after the end of all of them")
		}
	})
}

// A session that was killed between a run's end and the emptying of the log leaves that to the next one.
func TestTheNextSessionForgetsWhatAKilledOneHasLeft(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	killed := openAt(t, path, Options{shared: true})
	h := head(1)
	h.About = []byte("canary")
	h = create(t, killed, h)
	h.About = []byte("shown")
	// As the end is stored, but without what follows it.
	sqlite := killed.(*sqliteStore)
	if _, err := sqlite.db.ExecContext(t.Context(), updateAbout, h.Number, h.About); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(onDisk(t, path), []byte("canary")) {
		t.Fatal("the log was emptied already: this test would find nothing")
	}
	next := openAt(t, path, Options{shared: true})
	if bytes.Contains(onDisk(t, path), []byte("canary")) {
		t.Error("what the run was created with is still on the disk")
	}
	if got := string(find(t, next, h.ID).About); got != "shown" {
		t.Errorf("About = %q, want what replaced it", got)
	}
}

// A coordinator that was killed after a run's end has left an empty log, and one that runs may have one too.
func TestReadingWithAnEmptyLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fanout.db")
	s := openAt(t, path, Options{})
	h := create(t, s, head(1))
	h.About = []byte("shown")
	commit(t, s, end(h, noon))
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() != 0 {
		t.Fatalf("the log is %v, %v, want an empty one", info, err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(t.TempDir(), "left.db")
	for file, content := range map[string][]byte{left: content, left + "-wal": nil} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := beginWith(t, func(ctx context.Context) (Store, error) { return OpenReadOnly(ctx, left) })
	if got := string(find(t, found, h.ID).About); got != "shown" {
		t.Errorf("About = %q, want what is stored", got)
	}
}
