package runs

import (
	"math"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/schedule"
)

// hold is what the conductor knows of a shard's lease. Grants go three ways: decided, then stored, then known to the worker.
type hold struct {
	lease       string
	concurrency int64
	changes     int64 // load changes so far; the last one has set concurrency
	original    bool  // it was there at the run's start

	deferred []schedule.Grant // slots that are the shard's when it answers

	granted int64         // slots decided
	stored  int64         // of those, slots whose grants are stored
	known   int64         // of those, slots that the worker knows of
	unknown []store.Grant // the grants that it may not know of yet, by ordinal

	answered   bool      // the last renewal was answered
	asked      bool      // one was
	lastAnswer time.Time // or when this process has begun to ask
	misses     int       // renewals in a row that were not
	renewing   bool      // one is outstanding
	renewed    time.Time // when the last one was sent
	draining   bool
	closed     bool // it takes no grants any more: its lease has ended
	claimed    int64
	changed    int64 // changes that the worker knows of
	rate       rater

	acked    int64 // seconds before it are stored
	lost     bool
	finished bool
	saved    bool // its final tally is stored
	released bool
	dirty    bool
	sequence int64 // of the tally that is stored
}

// holds reports whether the shard can still send what it was granted.
func (h *hold) holds() bool { return !h.lost && !h.finished && !h.closed }

// live reports whether the shard can be granted slots.
func (h *hold) live() bool { return h.holds() && !h.draining }

// answers reports whether the last renewal was answered, or may still be: one that has been out for half the time to the next is taken
// as one without an answer, since it times out just after the next window is granted.
func (h *hold) answers(now time.Time) bool {
	return h.answered && (!h.renewing || now.Sub(h.renewed) < tick/2)
}

// grant adds a grant, and joins it with the one before if it can.
func (h *hold) grant(shard int, g schedule.Grant) {
	if n := len(h.unknown); n > 0 {
		if joined, ok := h.unknown[n-1].Join(g); ok {
			h.unknown[n-1].Grant = joined
			h.granted += g.Count
			return
		}
	}
	h.unknown = append(h.unknown, store.Grant{Shard: shard, Ordinal: h.granted, Grant: g})
	h.granted += g.Count
}

// learn notes how many slots the worker knows of, and forgets the grants before; the last one stays, so that another may join it.
func (h *hold) learn(granted int64) {
	h.known = max(h.known, min(granted, h.stored))
	drop := 0
	for drop < len(h.unknown)-1 && h.unknown[drop+1].Ordinal <= h.known {
		drop++
	}
	h.unknown = h.unknown[drop:]
}

// since is the grants from the ordinal up to what is stored, at most so many.
func (h *hold) since(ordinal int64, most int) (grants schedule.Grants) {
	for _, g := range h.unknown {
		part := g.Grant
		if skip := ordinal - g.Ordinal; skip > 0 {
			if skip >= part.Count {
				continue
			}
			part = part.Rest(skip)
		}
		if beyond := g.Ordinal + g.Count - h.stored; beyond > 0 {
			if part.Count -= beyond; part.Count <= 0 {
				break
			}
		}
		if grants = append(grants, part); len(grants) == most {
			break
		}
	}
	return grants
}

// unsaved is the rows of the grants that are not stored yet.
func (h *hold) unsaved() (rows []store.Grant) {
	for _, g := range h.unknown {
		if g.Ordinal+g.Count > h.stored {
			rows = append(rows, g)
		}
	}
	return rows
}

// rater measures how fast a shard uses its slots.
type rater struct {
	at    time.Time
	begun int64
	last  float64 // slots per second lately
}

// observe notes that the shard has begun so many slots; the rate is the greater of that since the start and that of the last second.
func (r *rater) observe(now, start time.Time, begun int64) float64 {
	if r.at.IsZero() {
		r.at, r.begun = start, 0
	}
	if passed := now.Sub(r.at); passed >= tick {
		r.last = float64(begun-r.begun) / passed.Seconds()
		r.at, r.begun = now, begun
	}
	elapsed := max(now.Sub(start).Seconds(), 0.001)
	return math.Max(float64(begun)/elapsed, r.last)
}
