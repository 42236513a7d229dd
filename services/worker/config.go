package worker

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/filelimit"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/metrics"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/mark"
	"github.com/fanout-load/fanout/services/worker/internal/secrets"
)

// Config configures a worker. The zero value is a worker with the default caps that logs nothing.
type Config struct {
	Version  string             // told by GetWorker and sent as User-Agent; default "dev"
	Caps     plan.Caps          // default DefaultCaps
	Log      *slog.Logger       // default: discard
	Dialer   *egress.Dialer     // says which targets are allowed; default: loopback alone. Serve denies it the worker's listeners
	Security grpcserve.Security // of the server that Serve makes
	Health   net.Listener       // one more listener, on which Serve tells probes about its health and nothing else; nil: none
	Metrics  *metrics.Endpoint  // takes the worker's figures, and is served by Serve; nil: none
	Secrets  Secrets            // that plans may refer to; default: none
	// MaxCallsPerSubject is how many calls and leased shards of one subject run at once; without access control nobody has a name, and it
	// bounds nothing. Default: as many as Caps takes of all.
	MaxCallsPerSubject int64
	State              *State        // keeps the claims of leased shards for the process after this one; nil: nothing does
	Unread             time.Duration // how long a message waits for a caller that does not read it; default grpcserve.UnreadBound
}

// Secrets is what references in a plan may stand for.
type Secrets = secrets.Allowed

// State is a worker's state directory, which it holds for its life.
type State = mark.Dir

// stateWait is how long a worker that was just started waits for the one before to let go of the directory.
const stateWait = 2 * time.Second

// OpenState takes the state directory, which is made if it is not there. Its owner closes it after the worker.
func OpenState(ctx context.Context, path string) (*State, error) {
	return mark.Open(ctx, path, stateWait)
}

const (
	// spareFiles is how many file descriptors a worker keeps from its senders: for its own listeners and streams, for logs and for
	// look-ups. The pacer of each call takes one more.
	spareFiles = 128
	// queueShare is how many outcome queues that are full a memory limit has to hold, two of each call.
	queueShare = 16
	// leastQueue is a batch four times over: a queue that is shorter would stop senders between two messages.
	leastQueue = 1 << 20
)

// DefaultCaps is the caps of a worker in this process: fewer senders where the limit on file descriptors is low, since each
// sender holds a socket; the process's memory limit; and shorter queues where that is low.
func DefaultCaps() plan.Caps {
	caps := plan.DefaultCaps()
	if most := MostSenders(caps.Calls); most > 0 {
		caps.Senders = min(caps.Senders, most)
	}
	if caps.Memory = memoryLimit(); caps.Memory > 0 {
		caps.QueueBytes = max(min(caps.QueueBytes, caps.Memory/queueShare), leastQueue)
	}
	return caps
}

// MostSenders is for how many senders this process may have files open, beside so many calls: 1 at least; 0: as many as it likes.
func MostSenders(calls int64) int64 {
	limit := filelimit.Open()
	if limit == 0 {
		return 0
	}
	return max(limit-spareFiles-calls, 1)
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Caps == (plan.Caps{}) {
		c.Caps = DefaultCaps()
	}
	if c.MaxCallsPerSubject == 0 {
		c.MaxCallsPerSubject = c.Caps.Calls
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Unread == 0 {
		c.Unread = grpcserve.UnreadBound
	}
	if c.Dialer == nil {
		c.Dialer = &egress.Dialer{}
	}
	return c
}
