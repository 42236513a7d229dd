package kubernetes

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/fanout-load/fanout/services/target"
)

// judgeVariable is the environment variable that makes this package's test binary the judge.
const judgeVariable = "FANOUT_KUBERNETES_JUDGE"

// mostDuplicates bounds what the judge names of what it saw twice: enough to see a pattern in.
const mostDuplicates = 20

// judgeState is what the judge knows.
type judgeState struct {
	Total      int64            // requests
	Slots      map[string]int64 // distinct slots by run
	Duplicates []string         // some of what was seen more often than once
	Held       []int64          // slots that have arrived since the gate was closed
}

// heldOf is how many requests are held of shard k of n, while slots are split as at the run's start.
func (s judgeState) heldOf(k, n int64) (held int64) {
	for _, slot := range s.Held {
		if slot%n == k {
			held++
		}
	}
	return held
}

// judge is an oracle in a pod that can be told to hold the requests that arrive from now on: what a worker has in flight is known
// exactly then.
type judge struct {
	oracle *target.Oracle

	mu   sync.Mutex
	runs map[string]bool // guarded by mu, like what follows
	gate chan struct{}   // closed gate: requests wait for it; nil: none
	held []int64
}

// serveJudge is the judge's process. Whoever asks it for /reset, /close or /open has it done, and gets what it knows then, as from
// /state: by GET, since that is what kubectl can pass on, and since doing it twice does no harm.
func serveJudge() error {
	j := &judge{runs: map[string]bool{}}
	var err error
	if j.oracle, err = target.StartOracle(target.OracleConfig{Addr: ":8080", OnRequest: j.see}); err != nil {
		return err
	}
	mux := http.NewServeMux()
	for name, do := range map[string]func(){"state": func() {}, "reset": j.reset, "close": j.close, "open": j.open} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, _ *http.Request) {
			do()
			_ = json.NewEncoder(w).Encode(j.state()) // whoever has left does not read it
		})
	}
	return http.ListenAndServe(":8081", mux)
}

func (j *judge) see(seen target.Seen) string {
	j.mu.Lock()
	j.runs[seen.Run] = true
	gate := j.gate
	if slot, err := strconv.ParseInt(seen.Slot, 10, 64); gate != nil && err == nil {
		j.held = append(j.held, slot)
	}
	j.mu.Unlock()
	if gate != nil {
		<-gate
	}
	return seen.Path
}

func (j *judge) state() judgeState {
	ledger := j.oracle.Ledger()
	duplicates := ledger.Duplicates()
	j.mu.Lock()
	defer j.mu.Unlock()
	s := judgeState{Total: ledger.Total(), Slots: map[string]int64{}, Duplicates: duplicates[:min(len(duplicates), mostDuplicates)], Held: j.held}
	for run := range j.runs {
		s.Slots[run] = int64(ledger.Slots(run))
	}
	return s
}

// reset forgets all requests, and lets go of those that wait.
func (j *judge) reset() {
	j.open()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.runs, j.held = map[string]bool{}, nil
	j.oracle.Ledger().Reset()
}

func (j *judge) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gate == nil {
		j.gate, j.held = make(chan struct{}), nil
	}
}

func (j *judge) open() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.gate != nil {
		close(j.gate)
		j.gate = nil
	}
}
