package model

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// world is everything in one case.
type world struct {
	scenario *scenario
	weakness weakness
	trace    *trace
	wrongs   *wrongs
	ledger   *ledger
	target   *target
	judge    *judge
	memory   *memory
	nodes    []*node
	dir      string    // of all state directories
	quiet    time.Time // no fault happens any more

	life    context.Context // its end ends all that the world has made
	end     context.CancelFunc
	going   sync.WaitGroup
	befalls sync.WaitGroup // events

	succession chan struct{} // capacity 1: has something in it while a coordinator follows others, so that two do not at the same moment

	mu     sync.Mutex
	brains []*brain            // guarded by mu, like what follows; the living
	lives  int                 // of coordinators
	runID  string              // "" until there is one
	dirs   int                 // state directories
	told   map[string]*told    // by lease: what coordinators have said of it
	opened map[string]*process // by lease: who has opened it
}

// newWorld makes a world in which nothing lives yet. dir has room for state directories.
func newWorld(s *scenario, weak weakness, dir string) *world {
	w := &world{scenario: s, weakness: weak, trace: newTrace(), dir: dir, told: map[string]*told{}, opened: map[string]*process{}}
	w.wrongs = &wrongs{trace: w.trace}
	w.life, w.end = context.WithCancel(context.Background())
	w.ledger = newLedger(w.wrongs, w.trace)
	w.target = &target{world: w, dice: newDice(s.seed, "target")}
	w.judge = &judge{world: w}
	w.memory = newMemory()
	w.succession = make(chan struct{}, 1)
	w.quiet = time.Now()
	for i := range s.workers {
		n := &node{world: w, index: i, address: fmt.Sprintf("w%d:7070", i), dice: newDice(s.seed, fmt.Sprint("node ", i)), link: newLink(), breaking: make(chan struct{})}
		w.nodes = append(w.nodes, n)
	}
	for _, e := range s.events {
		if at := w.trace.begin.Add(e.at + e.lasts); at.After(w.quiet) {
			w.quiet = at
		}
	}
	if load := w.trace.begin.Add(s.expected()); !s.calm && load.After(w.quiet) {
		w.quiet = load // the network has its manners for as long as the load
	}
	return w
}

// find is the addresses of the workers that are found by now.
func (w *world) find(context.Context) (addresses []string, err error) {
	n := len(w.nodes)
	if w.trace.now() < w.scenario.found {
		n -= w.scenario.late
	}
	for _, node := range w.nodes[:n] {
		addresses = append(addresses, node.address)
	}
	return addresses, nil
}

// spawn runs f in a goroutine that has to end before the world does.
func (w *world) spawn(f func()) { w.going.Go(f) }

// pause waits, and reports whether it did: not if done is closed first, or the world ends.
func (w *world) pause(d time.Duration, done <-chan struct{}) bool {
	if d <= 0 {
		return w.life.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	case <-w.life.Done():
		return false
	}
}

// manners are the network's as they are now.
func (w *world) manners() manners {
	if time.Now().Before(w.quiet) {
		return w.scenario.network
	}
	return manners{delay: min(w.scenario.network.delay, 5*time.Millisecond)}
}

// newDir makes an empty state directory.
func (w *world) newDir() string {
	w.mu.Lock()
	w.dirs++
	dir := filepath.Join(w.dir, fmt.Sprintf("state-%d", w.dirs))
	w.mu.Unlock()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		w.wrongs.add("harness", "making a state directory: %v", err)
	}
	return dir
}

// fresh is the directory for a worker that starts with nothing: "" if workers have none.
func (w *world) fresh() string {
	if !w.scenario.stateDirs {
		return ""
	}
	return w.newDir()
}

// run is the run's identifier; "" if there is none yet.
func (w *world) run() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.runID
}

// node is the one at the address.
func (w *world) node(address string) *node {
	for _, n := range w.nodes {
		if n.address == address {
			return n
		}
	}
	return nil
}
