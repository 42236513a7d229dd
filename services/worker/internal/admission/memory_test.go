package admission

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/plan"
)

const mib = 1 << 20

// machine is the memory of a process, and a clock.
type machine struct {
	used     int64
	garbage  int64 // of it
	time     time.Time
	reads    int
	collects int
}

// limited is a worker's room on a machine, of which it may use 900 MiB.
func limited() (*Room, *machine) {
	m := &machine{time: time.Unix(1, 0)}
	r := NewRoom(plan.Caps{Calls: 100, Senders: 1000, Memory: 1000 * mib})
	r.memory.now = func() time.Time { return m.time }
	r.memory.used = func() int64 {
		m.reads++
		return m.used
	}
	r.memory.collect = func() {
		m.collects++
		m.used, m.garbage = m.used-m.garbage, 0
	}
	return r, m
}

func wantScarce(t *testing.T, what string, err error, used, want int64) {
	t.Helper()
	var scarce *Scarce
	if !errors.As(err, &scarce) || scarce.Used != used*mib || scarce.Want != want*mib || scarce.Limit != 1000*mib {
		t.Errorf("Take(%s) = %v, want that %d MiB are taken and %d MiB wanted of 1000 MiB", what, err, used, want)
	}
}

// Calls that have not yet taken what they may count as if they had.
func TestMemoryIsReserved(t *testing.T) {
	t.Parallel()
	r, m := limited()
	m.used = 100 * mib
	for range 2 {
		if err := r.Take(Need{Bytes: 400 * mib}); err != nil {
			t.Fatalf("Take(400 MiB) = %v, want room", err)
		}
	}
	wantScarce(t, "1 MiB more", r.Take(Need{Bytes: mib}), 900, 1)
	m.time = m.time.Add(time.Second)
	m.used = 500 * mib // one of them has
	wantScarce(t, "1 MiB more, later", r.Take(Need{Bytes: mib}), 900, 1)
	r.Leave(Need{Bytes: 400 * mib})
	if err := r.Take(Need{Bytes: 400 * mib}); err != nil {
		t.Errorf("Take(400 MiB) after a call has ended = %v, want room", err)
	}
	if m.collects > 0 {
		t.Errorf("garbage was collected %d times, where no call could have gained by it", m.collects)
	}
}

// What is in use counts too, whoever took it; but not what is garbage, which is collected once a second at most.
func TestMemoryInUse(t *testing.T) {
	t.Parallel()
	r, m := limited()
	m.used = 100 * mib
	if err := r.Take(Need{Bytes: 100 * mib}); err != nil {
		t.Fatal(err)
	}
	m.time = m.time.Add(time.Minute)
	m.used = 850 * mib
	wantScarce(t, "100 MiB", r.Take(Need{Bytes: 100 * mib}), 850, 100)
	m.garbage = 300 * mib
	wantScarce(t, "100 MiB within a second", r.Take(Need{Bytes: 100 * mib}), 850, 100)
	m.time = m.time.Add(time.Second)
	if err := r.Take(Need{Bytes: 100 * mib}); err != nil {
		t.Errorf("Take(100 MiB) with 300 MiB of garbage = %v, want room", err)
	}
	if m.collects != 2 {
		t.Errorf("garbage was collected %d times, want 2", m.collects)
	}
}

// An idle worker that is full of garbage takes a call.
func TestMemoryOfAnIdleWorker(t *testing.T) {
	t.Parallel()
	r, m := limited()
	m.used, m.garbage = 890*mib, 800*mib
	if err := r.Take(Need{Bytes: 500 * mib}); err != nil {
		t.Errorf("Take(500 MiB) = %v, want room", err)
	}
	r.Leave(Need{Bytes: 500 * mib})
	wantScarce(t, "more than there is", r.Take(Need{Bytes: 901 * mib}), 90, 901)
	if m.collects != 1 {
		t.Errorf("garbage was collected %d times, want 1: no collection makes room for what never fits", m.collects)
	}
}

// The memory in use is read every 100 ms at most, however many calls come.
func TestMemoryIsReadSeldom(t *testing.T) {
	t.Parallel()
	r, m := limited()
	for range 1000 {
		if err := r.Take(Need{Bytes: mib}); err != nil {
			t.Fatal(err)
		}
		r.Leave(Need{Bytes: mib})
		m.time = m.time.Add(time.Millisecond)
	}
	if m.reads != 10 {
		t.Errorf("the memory in use was read %d times in a second, want 10", m.reads)
	}
}

// An open loop gets no more senders than there is memory for.
func TestMemoryOfSenders(t *testing.T) {
	t.Parallel()
	r, m := limited()
	m.used = 100 * mib
	if err := r.Take(Need{Senders: 1, Bytes: 100 * mib}); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for r.TakeSender(10 * mib) {
		taken++
	}
	if taken != 70 {
		t.Errorf("TakeSender gave %d of 10 MiB each, want 70", taken)
	}
	r.LeaveSender(10 * mib)
	if !r.TakeSender(10*mib) || r.TakeSender(10*mib) {
		t.Error("TakeSender after one has left did not give one, and only one")
	}
}

// Without a limit nothing is read, and everything fits.
func TestNoMemoryLimit(t *testing.T) {
	t.Parallel()
	r := NewRoom(plan.Caps{Calls: 1, Senders: 1})
	r.memory.used = func() int64 { panic("read") }
	if err := r.Take(Need{Senders: 1, Bytes: 1 << 62}); err != nil {
		t.Errorf("Take = %v, want room", err)
	}
}

// What is in use grows by what is allocated.
func TestInUse(t *testing.T) {
	before := inUse()
	held := make([]byte, 64*mib)
	for i := range held {
		held[i] = 1
	}
	if grown := inUse() - before; before <= 0 || grown < 32*mib {
		t.Errorf("inUse() = %d, and %d more with 64 MiB", before, grown)
	}
	runtime.KeepAlive(held)
}
