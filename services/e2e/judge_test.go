//go:build unix

package e2e

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/e2e/judging"
	"github.com/fanout-load/fanout/services/target"
)

// judge is an oracle that notes when each slot arrived, and that can be told to hold the requests that arrive from now on: what a
// worker has in flight is known exactly then.
type judge struct {
	*target.Oracle
	begun time.Time

	mu       sync.Mutex
	script   func(target.Seen) string // guarded by mu, like what follows; nil: the request's own path
	arrivals []arrival
	gate     chan struct{} // closed gate: requests wait for it; nil: none
	held     []int64       // slots that wait
}

type arrival struct {
	slot int64
	at   time.Duration // since the judge began
}

func newJudge(t *testing.T, config target.OracleConfig) *judge {
	t.Helper()
	j := &judge{begun: time.Now(), script: config.OnRequest}
	config.OnRequest = j.see
	var err error
	if j.Oracle, err = target.StartOracle(config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		j.open()
		_ = j.Close()
	})
	return j
}

func (j *judge) see(seen target.Seen) string {
	slot, err := strconv.ParseInt(seen.Slot, 10, 64)
	if err != nil {
		return seen.Path
	}
	j.mu.Lock()
	j.arrivals = append(j.arrivals, arrival{slot, time.Since(j.begun)})
	gate, script := j.gate, j.script
	if gate != nil {
		j.held = append(j.held, slot)
	}
	j.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if script != nil {
		return script(seen)
	}
	return seen.Path
}

// close holds what arrives from now on, until open. It returns how many arrived before.
func (j *judge) close() (before int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gate, j.held = make(chan struct{}), nil
	return int64(len(j.arrivals))
}

func (j *judge) open() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gate != nil {
		close(j.gate)
		j.gate = nil
	}
}

// heldOf is how many requests are held of shard k of n, while slots are split as at the run's start.
func (j *judge) heldOf(k, n int64) (held int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, slot := range j.held {
		if slot%n == k {
			held++
		}
	}
	return held
}

func (j *judge) now() time.Duration { return time.Since(j.begun) }

// await waits until so many requests have arrived.
func (j *judge) await(t *testing.T, n int64) {
	t.Helper()
	eventually(t, time.Minute, strconv.FormatInt(n, 10)+" requests have arrived", func() bool { return j.Ledger().Total() >= n })
}

// between is the slots that arrived in that time and that are wanted.
func (j *judge) between(from, to time.Duration, wanted func(slot int64) bool) (n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, a := range j.arrivals {
		if a.at >= from && a.at < to && wanted(a.slot) {
			n++
		}
	}
	return n
}

// first is when the first request arrived.
func (j *judge) first() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.arrivals[0].at
}

// last is when the last request arrived.
func (j *judge) last() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.arrivals) == 0 {
		return 0
	}
	return slices.MaxFunc(j.arrivals, func(a, b arrival) int { return int(a.at - b.at) }).at
}

// hold holds a run's report against the ledger: what is delivered for certain is in it, and nothing that cannot be; no slot is in
// it twice. The ledger has this run alone.
func (j *judge) hold(t *testing.T, r *report) {
	t.Helper()
	seen := j.Ledger().Total()
	least, most := judging.Bounds(t, r.Counts.Responses, r.Counts.Unknown, r.Errors)
	if seen < least || seen > most {
		t.Errorf("the target saw %d requests, want %d to %d: counts %+v, errors %+v", seen, least, most, r.Counts, r.Errors)
	}
	if key, n := j.Ledger().MaxPerSlot(); n > 1 {
		t.Errorf("%s was seen %d times; %d slots were seen more than once", key, n, len(j.Ledger().Duplicates()))
	}
}
