package target

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
)

// Ledger counts the requests that an oracle has read, by run, slot and path. It keeps counts only, and the last request:
// a million requests with numbered slots take about 10 MB. It is safe for concurrent use.
//
// A request without a slot counts under the slot "". Such requests share one key per path, so [Ledger.MaxPerSlot] and
// [Ledger.Duplicates] show them as repeated: a test that forgot to ask for the slot header fails instead of passing.
type Ledger struct {
	mu       sync.Mutex // guards everything below; held for a few map look-ups per request
	total    int64
	distinct int64 // keys (run, slot, path) seen
	last     Seen

	runs  names // indexes runSlots
	paths names // indexes pathCounts; 0 stands for all paths together
	slots names // of slots that are not plain numbers

	runSlots   []int64 // distinct slots by run
	pathCounts []int64
	pages      map[pageKey]*page

	most      ledgerKey
	mostCount uint32
}

// ledgerKey is what must not be seen twice. The path belongs to it because each hop of a redirect is a request of the
// same slot.
type ledgerKey struct {
	run, path uint32
	slot      uint64
}

// page holds the counts of 64 neighbouring slots. Slots are numbered without gaps, so pages take 4 bytes a slot where a
// map of its own keys would take 30; they are this short so that slots with large gaps stay affordable.
type page [pageSlots]uint32

const pageSlots = 64

type pageKey struct {
	run, path uint32
	page      uint64
}

// allPaths is the path of the counts that Count and Slots need: over all paths of a slot.
const allPaths = 0

func newLedger() *Ledger {
	l := &Ledger{}
	l.clear()
	return l
}

// Total returns how many requests were recorded.
func (l *Ledger) Total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Count returns how many requests carried this run and this slot, over all paths.
func (l *Ledger) Count(run, slot string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, known := l.runs.find(run)
	if !known {
		return 0
	}
	s, known := l.findSlot(slot)
	if !known {
		return 0
	}
	counts := l.pages[pageKey{r, allPaths, s / pageSlots}]
	if counts == nil {
		return 0
	}
	return int64(counts[s%pageSlots])
}

// MaxPerSlot returns the key (run, slot, path) that was seen most often, as text for a message, and how often that was:
// 1 when nothing was sent twice, 0 and "" when nothing was recorded.
func (l *Ledger) MaxPerSlot() (key string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total == 0 {
		return "", 0
	}
	return l.text(l.most), int64(l.mostCount)
}

// Slots returns how many distinct slots the run's requests carried. Requests without a slot carry none.
func (l *Ledger) Slots(run string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, known := l.runs.find(run)
	if !known {
		return 0
	}
	return int(l.runSlots[r])
}

// Duplicates returns the keys that were seen more than once, as MaxPerSlot writes them, sorted. It looks at every count.
func (l *Ledger) Duplicates() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []string
	for at, counts := range l.pages {
		if at.path == allPaths {
			continue
		}
		for i, n := range counts {
			if n > 1 {
				keys = append(keys, l.text(ledgerKey{at.run, at.path, at.page*pageSlots + uint64(i)}))
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// Last returns the request that was recorded last, or the zero Seen. Its header and body are shared: do not change them.
func (l *Ledger) Last() Seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// ByPath returns the requests by path and query. The map is the caller's.
func (l *Ledger) ByPath() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make(map[string]int64, len(l.pathCounts))
	for id, n := range l.pathCounts {
		if id != allPaths {
			counts[l.paths.text[id]] = n
		}
	}
	return counts
}

// Reset forgets everything. Requests that are being read at that time are recorded after it.
func (l *Ledger) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// totals returns the number of requests and of distinct keys; the difference is what was sent more often than once.
func (l *Ledger) totals() (total, distinct int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, l.distinct
}

// record counts one request.
func (l *Ledger) record(seen Seen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := ledgerKey{run: l.runs.id(seen.Run), path: l.paths.id(seen.Path), slot: l.slot(seen.Slot)}
	l.runSlots = reach(l.runSlots, key.run)
	l.pathCounts = reach(l.pathCounts, key.path)

	l.total++
	l.last = seen
	l.pathCounts[key.path]++
	if n := l.bump(ledgerKey{key.run, allPaths, key.slot}); n == 1 && seen.Slot != "" {
		l.runSlots[key.run]++
	}
	n := l.bump(key)
	if n == 1 {
		l.distinct++
	}
	if n > l.mostCount {
		l.most, l.mostCount = key, n
	}
}

// bump adds one to the key's count and returns it.
func (l *Ledger) bump(key ledgerKey) uint32 {
	at := pageKey{key.run, key.path, key.slot / pageSlots}
	counts := l.pages[at]
	if counts == nil {
		counts = new(page)
		l.pages[at] = counts
	}
	counts[key.slot%pageSlots]++
	return counts[key.slot%pageSlots]
}

func (l *Ledger) clear() {
	l.total, l.distinct, l.last = 0, 0, Seen{}
	l.runs, l.paths, l.slots = names{}, names{}, names{}
	l.paths.id("") // takes allPaths
	l.runSlots, l.pathCounts = nil, nil
	l.pages = make(map[pageKey]*page)
	l.most, l.mostCount = ledgerKey{}, 0
}

func (l *Ledger) text(key ledgerKey) string {
	slot := strconv.FormatUint(key.slot, 10)
	if key.slot&named != 0 {
		slot = l.slots.text[key.slot&^named]
	}
	return fmt.Sprintf("run=%s slot=%s path=%s", l.runs.text[key.run], slot, l.paths.text[key.path])
}

// reach lengthens counts until they have the index.
func reach(counts []int64, index uint32) []int64 {
	for int(index) >= len(counts) {
		counts = append(counts, 0)
	}
	return counts
}
