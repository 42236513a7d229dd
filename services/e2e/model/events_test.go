package model

import "time"

// befall has an event happen, and end.
func (w *world) befall(e event) {
	if !w.pause(e.at, nil) {
		return
	}
	n := w.nodes[e.worker]
	switch e.kind {
	case killWorker:
		w.restart(n, e, n.kill())
	case drainWorker:
		w.restart(n, e, n.drain())
	case cutWorker:
		w.trace.note(n.address, "is cut off for %v", e.lasts)
		n.link.change(1)
		w.pause(e.lasts, nil)
		n.link.change(-1)
		w.trace.note(n.address, "is there again")
	case breakStreams:
		w.trace.note(n.address, "its streams break")
		n.breakAll()
	case killBrain:
		for _, b := range w.living() {
			b.kill()
		}
		w.pause(e.lasts, nil)
		w.revive()
	case stopBrain:
		for _, b := range w.living() {
			b.stop()
		}
		w.pause(e.lasts, nil)
		w.revive()
	case secondBrain:
		if w.weakness == commitLate {
			return // two would have two stores
		}
		before := w.succeed()
		w.pause(min(e.lasts, 3*time.Second), nil)
		for _, b := range before {
			b.stop()
		}
	case cancelRun:
		w.cancel()
	}
}

// restart starts a worker at the node again, if it is to.
func (w *world) restart(n *node, e event, dir string) {
	if e.lasts == 0 || !w.pause(e.lasts, nil) || n.current() != nil {
		return
	}
	if !e.keep || dir == "" {
		dir = w.fresh()
	}
	if err := n.start(dir); err != nil {
		w.wrongs.add("harness", "starting a worker again: %v", err)
	}
}

// broken is closed when the node's streams break.
func (n *node) broken() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.breaking
}

func (n *node) breakAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.breaking)
	n.breaking = make(chan struct{})
}
