package mark

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whatever is wrong with a file, it is ignored and removed, and says nothing about the others.
func TestNoMarks(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	truncate := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	overwrite := func(offset int64, data []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			patch(t, path, offset, data)
		}
	}
	boot := bootField("another boot")
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"another magic", overwrite(0, []byte("x"))},
		{"another version", overwrite(8, order.AppendUint32(nil, version+1))},
		{"a lease id that is too long", overwrite(12, order.AppendUint32(nil, maxLeaseID+1))},
		{"a lease id of no end", overwrite(12, order.AppendUint32(nil, 1<<32-1))},
		{"another boot", overwrite(foundOffset+8, boot[:])},
		{"another lease", overwrite(foundOffset+8+maxBootID, []byte("x"))},
		{"less than nothing claimed", overwrite(countersOffset, bytes.Repeat([]byte{0xff}, 8))},
		{"less than nothing granted", overwrite(countersOffset+line, bytes.Repeat([]byte{0xff}, 8))},
		{"garbage", overwrite(0, bytes.Repeat([]byte{0xa5}, recordSize))},
		{"zeros", overwrite(0, make([]byte, recordSize))},
		{"empty", truncate(0)},
		{"short", truncate(recordSize - 1)},
		{"long", truncate(recordSize + 1)},
		{"huge", truncate(1 << 40)},
		{"a draft", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Rename(path, path[:len(path)-len(nameSuffix)]+draftSuffix); err != nil {
				t.Fatal(err)
			}
		}},
		{"a directory", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link to a mark", func(t *testing.T, path string) {
			t.Helper()
			elsewhere := filepath.Join(t.TempDir(), filepath.Base(path))
			if err := os.Rename(path, elsewhere); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(elsewhere, path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, t.TempDir())
			create(t, d, "spoilt", 1, 2)
			create(t, d, "good", 3, 4)
			path := d.file("spoilt")
			test.spoil(t, path)
			d = reopen(t, d)
			checkNotDead(t, d, "spoilt")
			checkDead(t, d, "good", Count{Claimed: 3, Granted: 4})
			checkFiles(t, d, "good")
		})
	}
}

// A mark is kept for an hour from when it was found, not from when it was made or last found.
func TestKeptForAnHour(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, t.TempDir())
	create(t, d, "made long ago", 1, 2)
	create(t, d, "found lately", 3, 4)
	create(t, d, "found long ago", 5, 6)
	create(t, d, "found in the future", 7, 8) // the clock was set back
	long := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(d.file("made long ago"), long, long); err != nil {
		t.Fatal(err)
	}
	patchFound(t, d.file("found lately"), 58*time.Minute)
	patchFound(t, d.file("found long ago"), 61*time.Minute)
	patchFound(t, d.file("found in the future"), -24*time.Hour)

	d = reopen(t, d)
	checkDead(t, d, "made long ago", Count{Claimed: 1, Granted: 2})
	checkDead(t, d, "found lately", Count{Claimed: 3, Granted: 4})
	checkNotDead(t, d, "found long ago")
	checkDead(t, d, "found in the future", Count{Claimed: 7, Granted: 8})
	checkFiles(t, d, "made long ago", "found lately", "found in the future")

	for lease, want := range map[string]time.Duration{"made long ago": 0, "found lately": 58 * time.Minute} {
		r, err := readRecord(d.file(lease), d.bootID)
		if err != nil {
			t.Fatal(err)
		}
		if ago := time.Since(time.Unix(r.Found, 0)); ago < want || ago > want+10*time.Second {
			t.Errorf("%q was found %v ago, want %v", lease, ago, want)
		}
	}
}

func TestNewestAreKept(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, t.TempDir())
	lease := func(i int) string { return fmt.Sprintf("lease %d", i) }
	var kept []string
	for i := range keepMost + 2 {
		remaining := create(t, d, lease(i), int64(i), int64(i))
		if err := unmap(remaining.mapping); err != nil { // as its process's end does
			t.Fatal(err)
		}
		patchFound(t, d.file(lease(i)), time.Duration(keepMost+2-i)*time.Second)
		if i >= 2 {
			kept = append(kept, lease(i))
		}
	}
	d = reopen(t, d)
	checkNotDead(t, d, lease(0))
	checkNotDead(t, d, lease(1))
	for i := 2; i < keepMost+2; i++ {
		checkDead(t, d, lease(i), Count{Claimed: int64(i), Granted: int64(i)})
	}
	checkFiles(t, d, kept...)
}
