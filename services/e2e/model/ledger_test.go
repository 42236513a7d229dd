package model

import (
	"maps"
	"sync"
	"time"
)

// ledger is what the target saw: which process sent which slot, and when. It is safe for concurrent use.
//
// A process that was killed sends nothing any more. So that its death is one moment, the ledger's lock guards it.
type ledger struct {
	wrongs *wrongs
	trace  *trace

	mu   sync.Mutex
	seen map[int64]arrival // guarded by mu
	all  int64             // arrivals; guarded by mu
}

// sentTwice is the invariant that the whole protocol is about.
const sentTwice = "I3, one attempt"

type arrival struct {
	at      time.Duration
	process string
}

func newLedger(wrongs *wrongs, trace *trace) *ledger {
	return &ledger{wrongs: wrongs, trace: trace, seen: make(map[int64]arrival)}
}

// record notes a request that arrived. It is false if its process is dead, whose request never did.
func (l *ledger) record(p *process, slot int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.dead {
		return false
	}
	now := l.trace.now()
	if first, twice := l.seen[slot]; twice {
		l.wrongs.add(sentTwice, "the target saw slot %d twice: at %v from %s, and now from %s", slot, first.at, first.process, p.name)
	}
	if now > p.until {
		l.wrongs.add("I9", "the target saw slot %d from %s %v after its last lease had ended", slot, p.name, now-p.until)
	}
	l.seen[slot] = arrival{now, p.name}
	l.all++
	return true
}

// die makes a process dead, if it is not.
func (l *ledger) die(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	died := !p.dead
	p.dead = true
	return died
}

func (l *ledger) isDead(p *process) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return p.dead
}

// hold notes that a process may send until then.
func (l *ledger) hold(p *process, until time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.until = max(p.until, until)
}

// total is how many requests arrived.
func (l *ledger) total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

// slots is the slots that arrived.
func (l *ledger) slots() map[int64]arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.seen)
}
