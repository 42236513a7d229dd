// Package worker is the WorkerService: it takes a plan, or one shard of it, sends its requests from goroutines, and streams
// back what became of each. The way of the data through it is the order of its packages: internal/wire parses, admission
// admits, schedule says when, engine and httpstd send, batch writes the stream.
package worker

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/access"
	"github.com/fanout-load/fanout/services/internal/preflight"
	"github.com/fanout-load/fanout/services/internal/rpcerr"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker/internal/admission"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/http1"
)

// Worker is the WorkerService of one process. It is safe for concurrent use. Its owner closes it.
type Worker struct {
	fanoutv1.UnimplementedWorkerServiceServer

	config     Config
	instanceID string
	born       time.Time // clock_nanos counts from here
	room       *admission.Room
	shares     *admission.Shares
	machine    preflight.Machine // at the worker's start
	pool       http1.Pool        // connections between direct calls
	figures    figures           // for metrics

	caps  *fanoutv1.Caps
	life  context.Context // its end cuts every shard
	end   context.CancelFunc
	going sync.WaitGroup // shards

	mu       sync.Mutex
	calls    map[callKey]*engine.Call // guarded by mu
	leases   map[string]*execution    // by lease; guarded by mu
	draining bool                     // guarded by mu
	idle     sync.Cond                // on mu: a call has ended, or a shard was released
}

// clockLead is what clock_nanos is when the process begins. A worker may join a run that began before, and the run's start has to be a
// moment after 0 on its clock: runs take 24 h at most, and what is in flight after that.
const clockLead = 48 * time.Hour

// callKey names a call: a shard of a run, or a direct call, which has no shard. Each subject has names of its own, so that nobody can take
// the name of another's shard before it is opened.
type callKey struct{ subject, run, shard string }

var _ fanoutv1.WorkerServiceServer = (*Worker)(nil)

// New makes a worker.
func New(config Config) *Worker {
	w := &Worker{
		config:     config.withDefaults(),
		instanceID: rand.Text(),
		born:       time.Now().Add(-clockLead),
		calls:      make(map[callKey]*engine.Call),
		leases:     make(map[string]*execution),
	}
	w.life, w.end = context.WithCancel(context.Background())
	w.caps = wire.CapsProto(w.config.Caps)
	w.caps.MaxSubjectCallCount = w.config.MaxCallsPerSubject
	w.room = admission.NewRoom(w.config.Caps)
	w.shares = admission.NewShares(w.config.MaxCallsPerSubject)
	w.machine = Machine(w.config.Caps)
	w.idle.L = &w.mu
	w.figures = w.expose(w.config.Metrics)
	return w
}

// Register registers the worker with a gRPC server.
func (w *Worker) Register(s grpc.ServiceRegistrar) { fanoutv1.RegisterWorkerServiceServer(s, w) }

// GetWorker says who this worker is.
func (w *Worker) GetWorker(context.Context, *fanoutv1.GetWorkerRequest) (*fanoutv1.GetWorkerResponse, error) {
	now := time.Now()
	return &fanoutv1.GetWorkerResponse{
		InstanceId:   w.instanceID,
		Version:      w.config.Version,
		Protocol:     wire.Protocol,
		ClockNanos:   int64(now.Sub(w.born)),
		Time:         timestamppb.New(now),
		Caps:         w.caps,
		RunningCount: int32(w.room.Calls()),

		AllowedTargets: w.config.Dialer.Policy.Rules(),
	}, nil
}

// StopFanOut ends a call cleanly.
func (w *Worker) StopFanOut(ctx context.Context, request *fanoutv1.StopFanOutRequest) (*fanoutv1.StopFanOutResponse, error) {
	w.mu.Lock()
	key, ok := w.meantLocked(callKey{access.CallerOf(ctx).Subject, request.GetRunId(), request.GetShardId()})
	call, leased := w.calls[key], w.runsLeasedLocked(key)
	w.mu.Unlock()
	if ok {
		if err := mine(ctx, "run_id", key.run, key.subject); err != nil {
			return nil, err
		}
	}
	if leased {
		return nil, rpcerr.NotFound("shard_id %.80q of run_id %.80q has a lease; cancel the run at its coordinator", key.shard, key.run)
	}
	if call == nil {
		return nil, rpcerr.NotFound("run_id %.80q with shard_id %.80q is not running on this worker", key.run, key.shard)
	}
	call.Stop()
	return &fanoutv1.StopFanOutResponse{}, nil
}

// enter makes a call known, so that it can be stopped and drained.
func (w *Worker) enter(key callKey, call *engine.Call) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining {
		return rpcerr.ShuttingDown("worker")
	}
	if w.calls[key] != nil || w.runsLeasedLocked(key) {
		return rpcerr.AlreadyExists("shard %.80q of run %.80q is running on this worker already", key.shard, key.run)
	}
	w.calls[key] = call
	return nil
}

func (w *Worker) leave(key callKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.calls, key)
	w.idle.Broadcast()
}

// runsLeasedLocked reports whether a shard with a lease has the name.
func (w *Worker) runsLeasedLocked(key callKey) bool {
	for _, e := range w.leases {
		if e.key == key {
			return true
		}
	}
	return false
}
