// Package coordinator is the CoordinatorService: it splits a run over its workers, merges what they stream, and says at any
// moment where every slot of the run is. The way of the data through it is split, dispatch, account, runs.
package coordinator

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// Config configures a coordinator.
type Config struct {
	// Workers says where the workers are. Required.
	Workers Workers
	// Dial makes a connection to a worker. Default: TCP, with WorkerSecurity.
	Dial func(address string) (Conn, error)
	// WorkerSecurity is how workers are known, and what they are shown. Default: plaintext, and nothing.
	WorkerSecurity grpcdial.Security
	// Store keeps the runs. Its owner closes it after the coordinator. Default: one in memory.
	Store Store
	// Lease is how long workers go on with their shards without this coordinator. Default: 8 s.
	Lease time.Duration
	// JoinEvery is the time between two looks for workers that may join a run that goes on. Default: 10 s.
	JoinEvery time.Duration
	// Caps are what a plan is checked against before any worker is asked. Default: a worker's default caps.
	Caps plan.Caps
	// MaxRuns is how many runs may go on at once. Default: DefaultMaxRuns.
	MaxRuns int64
	// MaxWatchers is how many may watch runs at once. Default: DefaultMaxWatchers.
	MaxWatchers int64
	// MaxRunsPerSubject is how many runs of one subject may go on at once; without access control nobody has a name, and it bounds
	// nothing. Default: 16.
	MaxRunsPerSubject int64
	// Security is that of the server that Serve makes.
	Security grpcserve.Security
	// Health is one more listener, on which Serve tells probes about its health and nothing else; nil: none. Its owner closes it after Serve, which may have.
	Health net.Listener
	// Metrics takes the coordinator's figures, and is served by Serve; nil: none.
	Metrics *metrics.Endpoint
	// Unread is how long a message waits for a caller that does not read its stream. Default: grpcserve.UnreadBound.
	Unread time.Duration
	// Version is compared with those of the workers, and both are told when they differ. Default: "dev".
	Version string
	// Log takes the log. Default: discard.
	Log *slog.Logger
}

// The caps that are a coordinator's alone, and what no configuration goes beyond.
const (
	DefaultMaxRuns           = 64
	DefaultMaxWatchers       = 1000
	DefaultMaxRunsPerSubject = 16     // which leaves room for others
	HardMaxRuns              = 1000   // each writes to the store every second, which takes some thousand transactions a second
	HardMaxWatchers          = 100000 // each has a report made for it twice a second
)

// Conn is a connection to a worker.
type Conn = dispatch.Conn

// defaultLease is a renewal of 1 s, a coordinator's restart of 4 s, its recovery of 1 s, and slack of 2 s.
const defaultLease = 8 * time.Second

// defaultJoinEvery is longer than a look takes, and shorter than a pod's start.
const defaultJoinEvery = 10 * time.Second

// Coordinator is the CoordinatorService of one process. It is safe for concurrent use. Its owner closes it.
type Coordinator struct {
	fanoutv1.UnimplementedCoordinatorServiceServer

	config   Config
	registry *runs.Registry
	asks     chan struct{} // capacity asksAtOnce
	fenced   chan struct{} // closed when another coordinator has taken over the store
	fence    sync.Once
	watchers atomic.Int64
}

var _ fanoutv1.CoordinatorServiceServer = (*Coordinator)(nil)

// New makes a coordinator, which goes on with the runs that its store has and that have not ended. It fails when the store does.
func New(ctx context.Context, config Config) (*Coordinator, error) {
	if config.Dial == nil {
		config.Dial = func(address string) (Conn, error) {
			return config.WorkerSecurity.New(address, config.Workers.nameOf(address))
		}
	}
	if config.Caps == (plan.Caps{}) {
		config.Caps = plan.DefaultCaps()
	}
	config.Version = cmp.Or(config.Version, "dev")
	config.MaxRuns = cmp.Or(config.MaxRuns, DefaultMaxRuns)
	config.MaxWatchers = cmp.Or(config.MaxWatchers, DefaultMaxWatchers)
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Lease == 0 {
		config.Lease = defaultLease
	}
	config.JoinEvery = cmp.Or(config.JoinEvery, defaultJoinEvery)
	if config.MaxRunsPerSubject == 0 {
		config.MaxRunsPerSubject = DefaultMaxRunsPerSubject
	}
	if config.Unread == 0 {
		config.Unread = grpcserve.UnreadBound
	}
	if config.Store.session == nil {
		config.Store = MemoryStore(0)
	}
	c := &Coordinator{config: config, fenced: make(chan struct{}), asks: make(chan struct{}, asksAtOnce)}
	ended := c.expose(config.Metrics)
	var err error
	c.registry, err = runs.NewRegistry(ctx, runs.Config{
		Workers: config.Workers.Resolve, Dial: config.Dial, Store: config.Store.session, Durable: config.Store.durable,
		ReadOnly: config.Store.readOnly, Lease: config.Lease, JoinEvery: config.JoinEvery, MaxRunning: config.MaxRuns,
		MaxPerCreator: config.MaxRunsPerSubject, Ended: ended, Fenced: c.giveWay, Version: config.Version, Log: config.Log,
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// giveWay notes that another coordinator has taken over the store.
func (c *Coordinator) giveWay() { c.fence.Do(func() { close(c.fenced) }) }

// Register registers the coordinator with a gRPC server.
func (c *Coordinator) Register(s grpc.ServiceRegistrar) {
	fanoutv1.RegisterCoordinatorServiceServer(s, c)
}

// closeBound is how long runs that go on have to end when the coordinator closes: a cancelled run takes 2 s if its workers answer.
const closeBound = 5 * time.Second

// Close leaves the runs that go on to their workers' leases if the store outlives this process, and cancels them otherwise; it waits
// until they have ended, 5 s at most.
func (c *Coordinator) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	c.registry.Close(ctx)
}
