package model

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/worker"
)

// node is an address at which workers live, one process after the other.
type node struct {
	world   *world
	index   int
	address string
	dice    *dice
	link    *link

	mu       sync.Mutex
	process  *process      // nil: nobody listens; guarded by mu
	lives    int           // guarded by mu
	breaking chan struct{} // closed when the streams break; guarded by mu
}

// process is one life of a worker.
type process struct {
	node   *node
	name   string
	worker *worker.Worker
	state  *worker.State
	dir    string // "" is none
	born   time.Time
	life   context.Context // its end breaks the process's streams
	end    context.CancelFunc
	active atomic.Int64 // FanOut calls

	dead  bool          // guarded by the ledger's mu, like what follows
	until time.Duration // its last lease ends

	renewals sync.Mutex             // held while a renewal is carried out, so that repeats can be told from what is new
	said     map[string]standing    // by lease: what the worker has answered last; guarded by renewals
	aliases  map[string]string      // see weakness; guarded by renewals
	moved    map[string][]insertion // see weakness; guarded by renewals
}

// standing is what a repeat must not change.
type standing struct{ granted, changes int64 }

// start starts a worker on the directory, "" is none.
func (n *node) start(dir string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lives++
	p := &process{
		node: n, name: fmt.Sprintf("w%d.%d", n.index, n.lives), dir: dir, born: time.Now(),
		said: map[string]standing{}, aliases: map[string]string{}, moved: map[string][]insertion{},
	}
	if dir != "" {
		state, err := worker.OpenState(n.world.life, dir)
		if err != nil {
			return err
		}
		p.state = state
	}
	p.life, p.end = context.WithCancel(n.world.life)
	p.worker = worker.New(worker.Config{
		State: p.state,
		Log:   n.world.trace.log(p.name),
		Dialer: &egress.Dialer{Policy: egress.Everything(), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return n.world.target.dial(ctx, p)
		}},
	})
	n.process = p
	n.world.trace.note(p.name, "starts, state %q", filepath.Base(dir))
	return nil
}

// current is the process that listens; nil is none.
func (n *node) current() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// kill kills the process that listens. It returns the directory for the next one, with the marks as they were at that moment.
func (n *node) kill() (dir string) {
	n.mu.Lock()
	p := n.process
	n.process = nil
	n.mu.Unlock()
	if p == nil || !n.world.ledger.die(p) { // first: what its marks do not count was never sent
		return ""
	}
	if p.dir != "" {
		dir = n.world.copyState(p.dir)
	}
	n.world.trace.note(p.name, "killed")
	p.end()
	n.world.spawn(p.bury)
	return dir
}

// bury ends the goroutines of a process that is dead already.
func (p *process) bury() {
	p.worker.Close()
	if err := p.state.Close(); err != nil {
		p.node.world.wrongs.add("harness", "closing a state directory: %v", err)
	}
}

// drain ends the process as SIGTERM does.
func (n *node) drain() (dir string) {
	p := n.current()
	if p == nil {
		return ""
	}
	w := n.world
	w.trace.note(p.name, "drains")
	const bound = 20 * time.Second
	ctx, cancel := context.WithTimeout(w.life, bound)
	defer cancel()
	begun := time.Now()
	p.worker.Drain(ctx)
	for p.active.Load() > 0 && ctx.Err() == nil {
		w.pause(50*time.Millisecond, ctx.Done())
	}
	if took := time.Since(begun); took > bound+time.Second {
		w.wrongs.add("I14", "%s took %v to drain", p.name, took)
	}
	w.trace.note(p.name, "has drained")
	if n.current() != p { // killed meanwhile
		return ""
	}
	return n.kill()
}

// copyState copies the crash marks of a process.
func (w *world) copyState(dir string) string {
	next := w.newDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		w.wrongs.add("harness", "reading a state directory: %v", err)
		return next
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if os.IsNotExist(err) {
			continue // the worker has just removed it
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(next, entry.Name()), data, 0o600)
		}
		if err != nil {
			w.wrongs.add("harness", "copying a crash mark: %v", err)
		}
	}
	return next
}

// call carries out a unary call that has arrived. repeated says that it is not the first time.
func (p *process) call(request proto.Message, repeated bool) (proto.Message, error) {
	if p.node.world.ledger.isDead(p) {
		return nil, errRefused
	}
	switch request := request.(type) {
	case *fanoutv1.GetWorkerRequest:
		return p.worker.GetWorker(p.life, request)
	case *fanoutv1.RenewLeaseRequest:
		return p.renew(request, repeated)
	default:
		return nil, status.Errorf(codes.Unimplemented, "%T", request)
	}
}

func (p *process) renew(request *fanoutv1.RenewLeaseRequest, repeated bool) (proto.Message, error) {
	w := p.node.world
	p.renewals.Lock()
	defer p.renewals.Unlock()
	id := request.GetLeaseId()
	sent := w.weaken(p, request)
	arrived := w.trace.now()
	response, err := p.worker.RenewLease(p.life, sent)
	w.trace.note(p.name, "renewed %.4s epoch %d: from %d grants %v last %v stop %v release %v repeat %v: %v %v", id, request.GetEpoch(),
		sent.GetGrantedBefore(), short(sent.GetGrants()), request.GetLastGrant(), request.GetStop(), request.GetRelease(), repeated, response, err)
	if err != nil {
		return nil, err
	}
	w.ledger.hold(p, arrived+w.scenario.lease)
	now := standing{response.GetGrantedCount(), response.GetChangesCount()}
	if before, ok := p.said[id]; ok && repeated && now != before {
		w.wrongs.add("I6", "a repeated renewal of %.4s moved %s from %+v to %+v", id, p.name, before, now)
	}
	p.said[id] = now
	return w.unweaken(p, request, response), nil
}

func short(grants []*fanoutv1.Grant) string {
	text := ""
	for _, g := range grants {
		text += fmt.Sprintf("[%d+%dx%d]", g.GetFirstSlot(), g.GetStride(), g.GetCount())
	}
	return text
}
