package target_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fanout-load/fanout/services/target"
)

func record(l *target.Ledger, run, slot, path string) {
	l.Record(target.Seen{Run: run, Slot: slot, Path: path})
}

func TestLedgerOfNothing(t *testing.T) {
	t.Parallel()
	l := target.NewLedger()
	check := func() {
		t.Helper()
		if key, n := l.MaxPerSlot(); key != "" || n != 0 {
			t.Errorf("MaxPerSlot() = %q, %d, want nothing", key, n)
		}
		if l.Total() != 0 || l.Slots("r") != 0 || l.Count("r", "1") != 0 || l.Count("", "") != 0 {
			t.Errorf("an empty ledger counts %d, %d, %d", l.Total(), l.Slots("r"), l.Count("r", "1"))
		}
		if len(l.Duplicates()) != 0 || len(l.ByPath()) != 0 || l.Last().Path != "" {
			t.Errorf("an empty ledger knows %v, %v, %v", l.Duplicates(), l.ByPath(), l.Last())
		}
	}
	check()
	record(l, "r", "1", "/ok")
	record(l, "r", "1", "/ok")
	l.Reset()
	check()
}

func TestLedgerKeepsWhatDiffersApart(t *testing.T) {
	t.Parallel()
	l := target.NewLedger()
	for _, slot := range []string{"7", "07", "+7", "7 ", "", "9223372036854775807", "9223372036854775808", "0", "64"} {
		record(l, "r", slot, "/ok")
	}
	record(l, "other", "7", "/ok")
	record(l, "r", "7", "/redirect/0")
	if key, n := l.MaxPerSlot(); n != 1 {
		t.Errorf("MaxPerSlot() = %q, %d, want 1", key, n)
	}
	if l.Slots("r") != 8 || l.Slots("other") != 1 || l.Slots("none") != 0 {
		t.Errorf("Slots = %d, %d, %d, want 8, 1, 0", l.Slots("r"), l.Slots("other"), l.Slots("none"))
	}
	if l.Count("r", "7") != 2 || l.Count("r", "07") != 1 || l.Count("other", "07") != 0 || l.Count("r", "1") != 0 {
		t.Errorf("Count = %d, %d, %d, %d", l.Count("r", "7"), l.Count("r", "07"), l.Count("other", "07"), l.Count("r", "1"))
	}
	if diff := cmp.Diff(map[string]int64{"/ok": 10, "/redirect/0": 1}, l.ByPath()); diff != "" {
		t.Errorf("ByPath (-want +got):\n%s", diff)
	}
}

func TestLedgerNamesDuplicates(t *testing.T) {
	t.Parallel()
	l := target.NewLedger()
	for range 3 {
		record(l, "r", "12", "/ok?x=1")
	}
	record(l, "r", "x", "/ok")
	record(l, "r", "x", "/ok")
	record(l, "r", "13", "/ok")
	record(l, "r", "13", "/other")
	if key, n := l.MaxPerSlot(); key != "run=r slot=12 path=/ok?x=1" || n != 3 {
		t.Errorf("MaxPerSlot() = %q, %d", key, n)
	}
	want := []string{"run=r slot=12 path=/ok?x=1", "run=r slot=x path=/ok"}
	if diff := cmp.Diff(want, l.Duplicates()); diff != "" {
		t.Errorf("Duplicates (-want +got):\n%s", diff)
	}
}

// TestLedgerCountsLikeAMap compares the pages with the plain thing.
func TestLedgerCountsLikeAMap(t *testing.T) {
	t.Parallel()
	type key struct{ run, slot string }
	l := target.NewLedger()
	want := map[key]int64{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		k := key{run: fmt.Sprint(random.IntN(3)), slot: fmt.Sprint(random.IntN(5000) * random.IntN(1000))}
		if random.IntN(10) == 0 {
			k.slot = "s" + k.slot
		}
		want[k]++
		record(l, k.run, k.slot, fmt.Sprintf("/%d", random.IntN(3)))
	}
	slots := map[string]int{}
	for k, n := range want {
		slots[k.run]++
		if got := l.Count(k.run, k.slot); got != n {
			t.Fatalf("Count(%q, %q) = %d, want %d", k.run, k.slot, got, n)
		}
	}
	for run, n := range slots {
		if got := l.Slots(run); got != n {
			t.Errorf("Slots(%q) = %d, want %d", run, got, n)
		}
	}
}

func TestLedgerIsSmall(t *testing.T) {
	const requests, most = 1_000_000, 20 << 20
	if testing.Short() {
		t.Skip("a million requests")
	}
	l := target.NewLedger()
	before := heap()
	for i := range requests {
		record(l, "run", fmt.Sprint(i), "/ok")
	}
	if grown := heap() - before; grown > most {
		t.Errorf("%d requests take %d KiB, want at most %d", requests, grown>>10, most>>10)
	} else {
		t.Logf("%d requests take %d KiB", requests, grown>>10)
	}
	if l.Slots("run") != requests || len(l.Duplicates()) != 0 {
		t.Errorf("Slots = %d, duplicates %d", l.Slots("run"), len(l.Duplicates()))
	}
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
