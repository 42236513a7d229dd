package client

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/rpcerr"
)

const (
	// createPatience is how long a run is asked for: an answer that was lost is asked for again, and a wrong address should not look
	// like a slow one.
	createPatience = 3 * time.Second
	// cancelPatience is how long a run's end is asked for: a coordinator that is started again is back within a few seconds.
	cancelPatience = 10 * time.Second
	// watchPatience is how long a watch goes on without a message: the run goes on meanwhile, and its report is worth a wait in
	// which a machine can start.
	watchPatience = time.Minute

	// Pauses between two attempts: a quick restart is hardly noticed, and a long one is not asked for often.
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// patience spaces the attempts to reach a coordinator that may be started again.
type patience struct {
	limit    time.Duration // from answered
	answered time.Time     // when it last was there, or the first attempt began
	pause    time.Duration // before the next attempt
}

func newPatience(limit time.Duration) *patience {
	p := &patience{limit: limit}
	p.reset()
	return p
}

// reset is for every answer.
func (p *patience) reset() { p.answered, p.pause = time.Now(), firstPause }

// wait waits before the next attempt, err being why the last one failed. When the patience is over it returns err, and when the
// context is over that.
func (p *patience) wait(ctx context.Context, err error) error {
	if time.Since(p.answered)+p.pause > p.limit {
		return err
	}
	timer := time.NewTimer(p.pause)
	defer timer.Stop()
	p.pause = min(2*p.pause, lastPause)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// persist calls, again and again for so long while the coordinator is not there, and returns the last error.
func (c *Coordinator) persist(ctx context.Context, limit time.Duration, call func() error) error {
	p := newPatience(limit)
	for {
		err := call()
		if err == nil || !rpcerr.IsUnavailable(err) {
			return err
		}
		c.redial()
		if err := p.wait(ctx, err); err != nil {
			return err
		}
	}
}

// redialOf makes a connection that is down try again at once. gRPC's own pauses grow to minutes, in which every call fails
// although the other side may be back.
func redialOf(conn grpc.ClientConnInterface) func() {
	if c, ok := conn.(interface{ ResetConnectBackoff() }); ok {
		return c.ResetConnectBackoff
	}
	return func() {}
}
