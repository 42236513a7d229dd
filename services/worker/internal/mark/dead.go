package mark

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// How long and how many marks of the dead are kept, as workers keep the ends of shards: 1 hour is far beyond the time in which a
// coordinator that lives attaches again, and 1,000 are 4 MB of a file system with blocks of 4 KiB.
const (
	keepFor  = time.Hour
	keepMost = 1000
)

// deadMark is one that an earlier process has left.
type deadMark struct {
	path  string
	lease string
	count Count
	found int64 // in Unix seconds
}

// gather reads what earlier processes have left, and removes what nobody will ask for.
//
// When a process died is written nowhere. But whoever has the lock knows that all marks' processes are dead, so the first to find a
// mark writes the time into it, and the hour runs from there: never less than an hour from the death, however long the lease
// lived. Beyond the newest 1,000, those that were found last are kept.
func gather(path, bootID string, now time.Time) (map[string]Count, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var marks []deadMark
	for _, entry := range entries {
		if !isOurs(entry.Name()) {
			continue
		}
		file := filepath.Join(path, entry.Name())
		if mark, ok := readDead(file, bootID, now); ok {
			marks = append(marks, mark)
		} else {
			_ = os.Remove(file) // one that stays is ignored again the next time
		}
	}
	return newest(marks), nil
}

// readDead is false for what is no mark of this boot: what was left half-made, is of another version or not a mark at all; and
// for one that is too old.
func readDead(path, bootID string, now time.Time) (deadMark, bool) {
	r, err := readRecord(path, bootID)
	if err != nil {
		return deadMark{}, false
	}
	if r.Found == 0 {
		r.Found = now.Unix()
		_ = setFound(path, r.Found) // else the next process writes it, and the mark is kept longer
	}
	mark := deadMark{path: path, lease: r.lease(), count: r.count(), found: r.Found}
	return mark, now.Sub(time.Unix(r.Found, 0)) <= keepFor
}

// newest is the counts of the marks that were found last, by lease; the others are removed.
func newest(marks []deadMark) map[string]Count {
	slices.SortStableFunc(marks, func(a, b deadMark) int { return cmp.Compare(b.found, a.found) })
	kept := min(len(marks), keepMost)
	for _, mark := range marks[kept:] {
		_ = os.Remove(mark.path) // one that stays is the next process's to remove
	}
	dead := make(map[string]Count, kept)
	for _, mark := range marks[:kept] {
		dead[mark.lease] = mark.count
	}
	return dead
}
