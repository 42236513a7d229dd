package store

import (
	"bytes"
	"slices"
	"time"
)

// What a Memory takes and gives are copies, as from a file: times in UTC, and no bytes at all for none.

func copyBytes(b []byte) []byte { return bytes.Clone(blob(b)) }

func copyTime(t time.Time) time.Time { return moment(nanos(t)) }

func copyAll[T any](rows []T, copyOne func(T) T) []T {
	if len(rows) == 0 {
		return nil
	}
	copies := slices.Clone(rows)
	for i := range copies {
		copies[i] = copyOne(copies[i])
	}
	return copies
}

func copyRun(r *Run) *Run {
	return &Run{
		Head:      copyHead(&r.Head),
		Shards:    copyAll(r.Shards, copyShard),
		Grants:    copyAll(r.Grants, func(g Grant) Grant { return g }),
		Seconds:   copyAll(r.Seconds, copySecond),
		Intervals: r.Intervals,
	}
}

func copyHead(h *Head) Head {
	c := *h
	c.Created, c.Started, c.Ended = copyTime(h.Created), copyTime(h.Started), copyTime(h.Ended)
	c.About, c.Report = copyBytes(h.About), copyBytes(h.Report)
	return c
}

func copyShard(s Shard) Shard {
	s.Tally = copyBytes(s.Tally)
	return s
}

func copySecond(s Second) Second {
	s.Tally = copyBytes(s.Tally)
	return s
}

func copyInterval(i Interval) Interval {
	i.Tally = copyBytes(i.Tally)
	return i
}
