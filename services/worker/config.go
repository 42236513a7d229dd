package worker

import (
	"context"
	"log/slog"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/filelimit"
	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/mark"
)

// Config configures a worker. The zero value is a worker with the default caps that logs nothing.
type Config struct {
	Version  string             // told by GetWorker and sent as User-Agent; default "dev"
	Caps     plan.Caps          // default DefaultCaps
	Log      *slog.Logger       // default: discard
	Dialer   *egress.Dialer     // default: the system's resolver
	Security grpcserve.Security // of the server that Serve makes
	// MaxCallsPerSubject is how many calls and leased shards of one subject run at once; without access control nobody has a name, and it
	// bounds nothing. Default: as many as Caps takes of all.
	MaxCallsPerSubject int64
	State              *State // keeps the claims of leased shards for the process after this one; nil: nothing does
}

// State is a worker's state directory, which it holds for its life.
type State = mark.Dir

// stateWait is how long a worker that was just started waits for the one before to let go of the directory.
const stateWait = 2 * time.Second

// OpenState takes the state directory, which is made if it is not there. Its owner closes it after the worker.
func OpenState(ctx context.Context, path string) (*State, error) {
	return mark.Open(ctx, path, stateWait)
}

// spareFiles is how many file descriptors a worker keeps from its senders: for its own listeners and streams, for logs and
// for look-ups, and one for the pacer of each call.
const spareFiles = 128 + 64

// DefaultCaps is the caps of a worker in this process: fewer senders where the limit on file descriptors is low, since each
// sender holds a socket.
func DefaultCaps() plan.Caps {
	caps := plan.DefaultCaps()
	if limit := filelimit.Open(); limit > 0 {
		caps.Senders = max(min(caps.Senders, limit-spareFiles), 1)
	}
	return caps
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
	if c.Dialer == nil {
		c.Dialer = &egress.Dialer{}
	}
	return c
}
