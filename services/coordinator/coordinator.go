// Package coordinator is the CoordinatorService: it splits a run over its workers, merges what they stream, and says at any
// moment where every slot of the run is. The way of the data through it is split, dispatch, account, runs.
package coordinator

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/coordinator/internal/runs"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// Config configures a coordinator.
type Config struct {
	// Workers says where the workers are. Required.
	Workers Workers
	// Dial makes a connection to a worker. Default: TCP.
	Dial func(address string) (*grpc.ClientConn, error)
	// Caps are what a plan is checked against before any worker is asked. Default: a worker's default caps.
	Caps plan.Caps
	// Log takes the log. Default: discard.
	Log *slog.Logger
}

// Coordinator is the CoordinatorService of one process. It is safe for concurrent use. Its owner closes it.
type Coordinator struct {
	fanoutv1.UnimplementedCoordinatorServiceServer

	config   Config
	registry *runs.Registry
}

var _ fanoutv1.CoordinatorServiceServer = (*Coordinator)(nil)

// New makes a coordinator.
func New(config Config) *Coordinator {
	if config.Dial == nil {
		config.Dial = func(address string) (*grpc.ClientConn, error) { return grpcdial.New(address) }
	}
	if config.Caps == (plan.Caps{}) {
		config.Caps = plan.DefaultCaps()
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	return &Coordinator{config: config, registry: runs.NewRegistry(runs.Config{
		Workers: config.Workers.Resolve, Dial: dispatch.Dial(config.Dial), Log: config.Log,
	})}
}

// Register registers the coordinator with a gRPC server.
func (c *Coordinator) Register(s grpc.ServiceRegistrar) {
	fanoutv1.RegisterCoordinatorServiceServer(s, c)
}

// closeBound is how long runs that go on have to end when the coordinator closes: a cancelled run takes 3 s at most.
const closeBound = 5 * time.Second

// Close cancels the runs that go on and waits until they have ended, 5 s at most.
func (c *Coordinator) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeBound)
	defer cancel()
	c.registry.Close(ctx)
}
