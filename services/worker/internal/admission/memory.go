package admission

import (
	"fmt"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// share is the part of its memory limit that a worker takes calls for, in tenths: close to it Go's collector would take the CPU from
// the senders, and the system might end the process.
const share = 9

const (
	// readEvery is how long a reading of the memory in use holds: it takes microseconds, and calls come in thousands a second.
	readEvery = 100 * time.Millisecond
	// collectEvery bounds how often the worker collects garbage to find room: it costs as much as the memory in use is great.
	collectEvery = time.Second
)

// Scarce says that there is no memory just now for what a call may take.
type Scarce struct {
	Limit int64 // on the process's memory
	Used  int64 // of what the worker takes calls for
	Want  int64
}

// Error names the limit, what is used up, and what the call may take.
func (e *Scarce) Error() string {
	usable := e.Limit / 10 * share
	advice := "try again later, or on another worker"
	if e.Want > usable {
		advice = "ask for fewer senders or less of each response, or raise the limit (GOMEMLIMIT)"
	}
	return fmt.Sprintf("the worker is full: %s of %s of memory are taken, nine tenths of its limit of %s (memory_limit_bytes), and this call may take %s; %s",
		inMiB(e.Used), inMiB(usable), inMiB(e.Limit), inMiB(e.Want), advice)
}

// inMiB is a size as people read it, rounded up.
func inMiB(bytes int64) string { return fmt.Sprintf("%d MiB", (bytes+1<<20-1)>>20) }

// memory is what the process may take, and what it has taken. Its room's lock guards it.
type memory struct {
	limit    int64 // 0: none
	reserved int64 // by the calls that are running, for all that they may take
	base     int64 // what was in use when no call was running

	used      func() int64 // in use now
	collect   func()       // gives back what is in use and not needed
	now       func() time.Time
	read      int64     // the last reading
	readAt    time.Time // of it
	collected time.Time
}

func newMemory(limit int64) memory {
	return memory{limit: limit, used: inUse, collect: debug.FreeOSMemory, now: time.Now}
}

// take takes memory for a call, or for one more sender, if what is in use and what running calls may still take leave room for it. A
// call that has just begun has not yet taken what it will; so the greater of two counts: what is in use, and what was when the worker
// was idle with all that has been reserved since.
func (m *memory) take(want int64, idle bool) error {
	if m.limit == 0 {
		return nil
	}
	if now := m.now(); now.Sub(m.readAt) >= readEvery {
		m.read, m.readAt = m.used(), now
	}
	if idle {
		m.base = m.read
	}
	if taken := max(m.read, m.base+m.reserved); taken+want > m.usable() {
		return &Scarce{Limit: m.limit, Used: taken, Want: want}
	}
	m.reserved += want
	return nil
}

func (m *memory) usable() int64 { return m.limit / 10 * share }

// mayCollect reports whether so much may fit once the garbage of calls that are over is collected, which is the caller's to do then,
// without the lock. It is not worth it too often, nor when running calls have reserved what there is.
func (m *memory) mayCollect(want int64, idle bool) bool {
	now := m.now()
	if now.Sub(m.collected) < collectEvery || want > m.usable() || !idle && m.base+m.reserved+want > m.usable() {
		return false
	}
	m.collected, m.readAt = now, time.Time{}
	return true
}

// leave gives back what take took.
func (m *memory) leave(bytes int64) {
	if m.limit != 0 {
		m.reserved -= bytes
	}
}

// inUse is the memory that this process has from the system and cannot give back at once.
func inUse() int64 {
	all := [...]metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(all[:])
	return int64(all[0].Value.Uint64() - all[1].Value.Uint64() - all[2].Value.Uint64())
}
