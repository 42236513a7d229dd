package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator"
)

// brain is one life of a coordinator.
type brain struct {
	world       *world
	name        string
	coordinator *coordinator.Coordinator
	session     coordinator.Store
	killed      chan struct{} // closed when it is dead: nothing goes out any more, and nothing is stored
	once        sync.Once
	leaving     atomic.Bool // it was told to stop, or another one has its store: what it shows may be older than what it knew
}

// startBrain starts a coordinator on the store.
func (w *world) startBrain() *brain {
	w.mu.Lock()
	w.lives++
	b := &brain{world: w, name: fmt.Sprintf("c%d", w.lives), killed: make(chan struct{})}
	w.mu.Unlock()
	floor := w.memory.read(w.run())
	var err error
	if b.session, err = w.memory.open(w.life); err == nil {
		b.coordinator, err = coordinator.New(w.life, coordinator.Config{
			Workers: coordinator.WorkersFrom(w.find), Store: b.session.Durable(), Lease: w.scenario.lease, JoinEvery: w.scenario.looks, Log: w.trace.log(b.name),
			Dial: func(address string) (coordinator.Conn, error) {
				return &conn{brain: b, node: w.node(address), closed: make(chan struct{})}, nil
			},
		})
	}
	if err != nil {
		w.wrongs.add("harness", "starting a coordinator: %v", err)
		return nil
	}
	w.trace.note(b.name, "starts")
	w.mu.Lock()
	w.brains = append(w.brains, b)
	w.mu.Unlock()
	if w.run() != "" {
		b.observe(floor)
	}
	return b
}

// living is the coordinators that live, the oldest first.
func (w *world) living() []*brain {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.brains)
}

// revive starts a coordinator if none lives.
func (w *world) revive() {
	w.succession <- struct{}{}
	defer func() { <-w.succession }()
	if len(w.living()) == 0 {
		w.startBrain()
	}
}

// succeed starts a coordinator that takes over the store from those that live, and returns them.
func (w *world) succeed() []*brain {
	w.succession <- struct{}{}
	defer func() { <-w.succession }()
	before := w.living()
	for _, b := range before {
		b.leaving.Store(true)
	}
	w.startBrain()
	return before
}

// die takes the coordinator from the living.
func (b *brain) die(how string) bool {
	died := false
	b.once.Do(func() {
		died = true
		w := b.world
		w.mu.Lock()
		w.brains = slices.DeleteFunc(w.brains, func(other *brain) bool { return other == b })
		w.mu.Unlock()
		w.trace.note(b.name, "%s", how)
	})
	return died
}

// kill kills the coordinator: first the network, then the store. So it may have stored what it could not say, and never the other
// way round.
func (b *brain) kill() {
	if !b.die("killed") {
		return
	}
	close(b.killed)
	b.closeStore()
	b.world.memory.crash()
	b.world.spawn(b.coordinator.Close)
}

// stop ends the coordinator as SIGTERM does.
func (b *brain) stop() {
	if !b.die("is told to stop") {
		return
	}
	b.leaving.Store(true)
	begun := time.Now()
	b.coordinator.Close()
	if took := time.Since(begun); took > 8*time.Second {
		b.world.wrongs.add("I14", "%s took %v to close", b.name, took)
	}
	close(b.killed)
	b.closeStore()
}

func (b *brain) closeStore() {
	if err := b.session.Close(); err != nil {
		b.world.wrongs.add("harness", "closing a session: %v", err)
	}
}

func (b *brain) isDead() bool {
	select {
	case <-b.killed:
		return true
	default:
		return false
	}
}

// observe looks at the run for as long as the coordinator lives: by GetRun, and by WatchRun.
func (b *brain) observe(floor *stored) {
	w := b.world
	d := newDice(w.scenario.seed, "observer "+b.name)
	w.spawn(func() {
		s := newSource(b, "GetRun", floor)
		for !b.isDead() {
			b.look(s)
			w.pause(d.span(50*time.Millisecond, 1200*time.Millisecond), b.killed)
		}
	})
	w.spawn(func() {
		ctx, cancel := context.WithCancel(w.life)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		w.spawn(func() {
			select {
			case <-b.killed:
				cancel()
			case <-ctx.Done():
			}
		})
		watcher := &watcher{brain: b, ctx: ctx, source: newSource(b, "WatchRun", floor), before: w.ledger.total()}
		err := b.coordinator.WatchRun(&fanoutv1.WatchRunRequest{RunId: w.run()}, watcher)
		if err == nil && !b.isDead() && !watcher.source.ended {
			w.wrongs.add("I14", "%s ended a watch before the run's end", b.name)
		}
	})
}

// look takes one snapshot.
func (b *brain) look(s *source) {
	w := b.world
	before := w.ledger.total()
	response, err := b.coordinator.GetRun(w.life, &fanoutv1.GetRunRequest{RunId: w.run()})
	switch {
	case b.isDead(): // nobody hears it
	case err != nil:
		w.wrongs.add("harness", "GetRun of %s: %v", b.name, err)
	default:
		w.judge.snapshot(s, response.GetRun(), before)
	}
}

// watcher takes what WatchRun streams.
type watcher struct {
	grpc.ServerStream
	brain  *brain
	ctx    context.Context
	source *source
	before int64
}

func (w *watcher) Context() context.Context { return w.ctx }

// Send implements grpc.ServerStreamingServer.
func (w *watcher) Send(m *fanoutv1.WatchRunResponse) error {
	if w.brain.isDead() {
		return errors.New("nobody listens")
	}
	w.brain.world.judge.snapshot(w.source, m.GetRun(), 0)
	return nil
}

// cancel cancels the run with each coordinator that lives.
func (w *world) cancel() {
	for _, b := range w.living() {
		_, err := b.coordinator.CancelRun(w.life, &fanoutv1.CancelRunRequest{RunId: w.run()})
		w.trace.note(b.name, "was told to cancel: %v", err)
	}
}
