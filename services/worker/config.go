package worker

import (
	"log/slog"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/filelimit"
	"github.com/fanout-load/fanout/services/internal/plan"
)

// Config configures a worker. The zero value is a worker with the default caps that logs nothing.
type Config struct {
	Version string         // told by GetWorker and sent as User-Agent; default "dev"
	Caps    plan.Caps      // default DefaultCaps
	Log     *slog.Logger   // default: discard
	Dialer  *egress.Dialer // default: the system's resolver
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
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Dialer == nil {
		c.Dialer = &egress.Dialer{}
	}
	return c
}
