package mark

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, filepath.Join(t.TempDir(), "made", "by", "Open"))
	create(t, d, "within", 7, 10)
	create(t, d, "beyond", 12, 10) // senders that found nothing to claim have counted
	create(t, d, "unused", 0, 0)
	remove(t, create(t, d, "over", 3, 3))
	checkNotDead(t, d, "within")
	checkFiles(t, d, "within", "beyond", "unused")

	d = reopen(t, d)
	checkDead(t, d, "within", Count{Claimed: 7, Granted: 10})
	checkDead(t, d, "beyond", Count{Claimed: 10, Granted: 10})
	checkDead(t, d, "unused", Count{})
	checkNotDead(t, d, "over")

	d.Forget("within")
	d.Forget("within")
	d.Forget("over")
	checkNotDead(t, d, "within")
	d = reopen(t, d)
	checkNotDead(t, d, "within")
	checkDead(t, d, "beyond", Count{Claimed: 10, Granted: 10})
	checkFiles(t, d, "beyond", "unused")
}

func TestLeaseIDs(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	leases := []string{
		"a", ".", "..", "../../etc/passwd", "/", "/absolute/path", `C:\windows\nul`, "with\x00zero", "with\x00zero\x00", "Case",
		"case", "ünï", "\xff\xfe", strings.Repeat("x", 128), strings.Repeat("/", 128), strings.Repeat(".", maxLeaseID),
	}
	d := open(t, t.TempDir())
	for i, lease := range leases {
		create(t, d, lease, int64(i), 100)
	}
	checkFiles(t, d, leases...)
	d = reopen(t, d)
	for i, lease := range leases {
		checkDead(t, d, lease, Count{Claimed: int64(i), Granted: 100})
	}
	for _, lease := range []string{"", strings.Repeat("x", maxLeaseID+1)} {
		if _, err := d.Create(lease); err == nil {
			t.Errorf("Create with an id of %d bytes worked", len(lease))
		}
		checkNotDead(t, d, lease)
	}
}

// Of many that want the mark of one lease, one gets it; and nobody while it is there, alive or dead.
func TestOneMarkForALease(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, t.TempDir())
	var callers sync.WaitGroup
	made := make(chan *Mark, 20) // room for all
	for range cap(made) {
		callers.Go(func() {
			m, err := d.Create("lease")
			switch {
			case err == nil:
				made <- m
			case !errors.Is(err, fs.ErrExist):
				t.Errorf("Create: %v, want ErrExist", err)
			}
		})
	}
	callers.Wait()
	close(made)
	if len(made) != 1 {
		t.Fatalf("%d callers got the mark of one lease", len(made))
	}
	m := <-made
	remove(t, m)
	remove(t, m)
	create(t, d, "lease", 1, 2)

	d = reopen(t, d)
	if _, err := d.Create("lease"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create for a dead lease: %v, want ErrExist", err)
	}
	checkDead(t, d, "lease", Count{Claimed: 1, Granted: 2})
	d.Forget("lease")
	create(t, d, "lease", 0, 0)
}

func TestNoDirectory(t *testing.T) {
	t.Parallel()
	var d *Dir
	m := create(t, d, "lease", 3, 4)
	checkNotDead(t, d, "lease")
	d.Forget("lease")
	remove(t, m)
	closeDir(t, d)
	if got := m.Claimed().Load(); got != 3 {
		t.Errorf("a mark on the heap counts %d, want 3", got)
	}
}

// Without a boot's id nothing is written, and what is there is neither trusted nor touched.
func TestNoBootID(t *testing.T) {
	t.Parallel()
	mustKeep(t)
	d := open(t, t.TempDir())
	create(t, d, "before", 1, 2)
	d.bootID, d.dead = "", nil
	if err := d.read(); err != nil {
		t.Fatal(err)
	}
	create(t, d, "lease", 3, 4)
	checkNotDead(t, d, "before")
	checkFiles(t, d, "before")
}

// escaped forces a mark to the heap, where any mark is that goroutines share.
var escaped = make(chan *Mark, 1)

func TestLayout(t *testing.T) {
	t.Parallel()
	m := Unmarked()
	escaped <- m
	checkAligned(t, "on the heap", <-escaped)
	if size := binary.Size(record{}); size != recordSize || unsafe.Sizeof(record{}) != recordSize || unsafe.Sizeof(*m.counters) != 2*line {
		t.Errorf("a record has %d bytes, want %d", size, recordSize)
	}
	offsets := map[string][2]uintptr{
		"found":   {unsafe.Offsetof(record{}.Found), foundOffset},
		"claimed": {unsafe.Offsetof(record{}.Claimed), countersOffset + unsafe.Offsetof(m.counters.claimed)},
		"granted": {unsafe.Offsetof(record{}.Granted), countersOffset + unsafe.Offsetof(m.counters.granted)},
	}
	for name, offset := range offsets {
		if offset[0] != offset[1] {
			t.Errorf("%s is at byte %d of a record and at %d of its mapping", name, offset[0], offset[1])
		}
	}
	d := open(t, t.TempDir())
	checkAligned(t, "in a mapping", create(t, d, "lease", 0, 0))
}

func checkAligned(t *testing.T, where string, m *Mark) {
	t.Helper()
	claimed, granted := uintptr(unsafe.Pointer(m.Claimed())), uintptr(unsafe.Pointer(m.Granted()))
	if claimed%line != 0 || granted-claimed != line {
		t.Errorf("%s the counters are at %#x and %#x, not on lines of their own", where, claimed, granted)
	}
}

// No file makes the reader fail in any other way than with an error, and what it takes holds.
func FuzzRecord(f *testing.F) {
	r, err := newRecord("lease", "boot")
	if err != nil {
		f.Fatal(err)
	}
	r.Claimed, r.Granted = 5, 6
	good, err := binary.Append(nil, order, r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(bytes.Repeat([]byte{0xff}, recordSize))
	f.Add(make([]byte, recordSize))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		if _, err := binary.Decode(data, order, &r); err != nil || r.check(nameOf("lease"), "boot") != nil {
			return
		}
		if c := r.count(); r.lease() != "lease" || c.Claimed < 0 || c.Claimed > c.Granted {
			t.Errorf("a record that counts %+v for lease %q was taken", c, r.lease())
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	for _, place := range []string{"heap", "mapping"} {
		b.Run(place, func(b *testing.B) {
			m := Unmarked()
			if place == "mapping" {
				m = mapped(b)
			}
			claimed := m.Claimed()
			b.Run("one", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					claimed.Add(1)
				}
			})
			b.Run("all", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						claimed.Add(1)
					}
				})
			})
		})
	}
}

// mapped is a mark in a file until the benchmark's end.
func mapped(b *testing.B) *Mark {
	b.Helper()
	mustKeep(b)
	d, err := Open(b.Context(), b.TempDir(), 0)
	if err != nil {
		b.Fatal(err)
	}
	m, err := d.Create("lease")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(m.Remove(), d.Close()); err != nil {
			b.Error(err)
		}
	})
	return m
}
