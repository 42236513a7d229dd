package worker

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/peer"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

const (
	// maxRefused is how many of a call's requests the egress guard refuses before the call ends: a plan with a slip of the pen shows
	// what is wrong in one, and who looks for a way around the guard gets no more tries. It bounds the log lines too.
	maxRefused = 10
	// maxTrail is how many targets, and how many addresses, the record of a call names.
	maxTrail = 5
)

// trail is what the log keeps of a call: each target that the egress guard refused, and at the end one line on all of it. It is safe for
// concurrent use.
type trail struct {
	log      *slog.Logger
	counting counting // the batcher's goroutine's
	peer     string
	stop     func() // ends what is claimed; set before the first dial

	full atomic.Bool // peers is, and nothing of it changes any more

	mu      sync.Mutex
	peers   []string             // that were dialled; guarded by mu, like what follows
	refused int64                // slots
	first   *egress.BlockedError // nil: none was refused
}

func (w *Worker) newTrail(ctx context.Context, key callKey) *trail {
	t := &trail{log: w.config.Log.With("run_id", key.run, "shard_id", key.shard), counting: counting{figures: &w.figures}}
	if key.subject != "" {
		t.log = t.log.With("subject", key.subject)
	}
	if from, ok := peer.FromContext(ctx); ok {
		t.peer = from.Addr.String()
	}
	return t
}

// watch is the trail as the call's connections see it.
func (t *trail) watch() connect.Watch { return connect.Watch{Dialled: t.dialled, Refused: t.refuse} }

// dialled notes where a connection leads.
func (t *trail) dialled(address string) {
	if t.full.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.peers, address) && len(t.peers) < maxTrail {
		t.peers = append(t.peers, address)
		t.full.Store(len(t.peers) == maxTrail)
	}
}

// refuse notes that the guard refused a slot's target, and ends the call when that was so too often.
func (t *trail) refuse(blocked *egress.BlockedError) {
	t.mu.Lock()
	t.refused++
	n := t.refused
	if t.first == nil {
		t.first = blocked
	}
	t.mu.Unlock()
	if n > maxRefused {
		return // they were in flight, and are in the counts
	}
	attributes := []any{"host", errclass.Scrub(blocked.Host), "rule", errclass.Scrub(blocked.Rule), "peer", t.peer}
	if blocked.Addr.IsValid() {
		attributes = append(attributes, "address", blocked.Addr.String())
	}
	t.log.Warn("target refused", attributes...)
	if n == maxRefused {
		t.stop()
	}
}

// message is the first refusal, "" if there was none.
func (t *trail) message() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == nil {
		return ""
	}
	return errclass.Scrub(t.first.Error())
}

// end counts what became of the call's slots, and logs the one line on it: who asked, for what, how much of it was done, and why it is
// over.
func (t *trail) end(p *plan.Plan, planned int64, total *tally.Tally, reason string) {
	t.counting.count(total)
	if !t.log.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := total.Counts
	t.log.Info("a call is over", "peer", t.peer, "targets", targets(p), "addresses", strings.Join(t.peers, ","),
		"planned", planned, "responses", counts.Responses, "errors", counts.Errors, "not_sent", counts.NotSent, "refused", t.refused, "reason", reason)
}

// targets is the hosts and ports of the plan's URLs, a few of them.
func targets(p *plan.Plan) string {
	var hosts []string
	for i := range p.Requests {
		u, err := url.Parse(p.Requests[i].URL)
		if err != nil {
			continue // package wire has checked it
		}
		host := errclass.Scrub(u.Host)
		if slices.Contains(hosts, host) {
			continue
		}
		if len(hosts) == maxTrail {
			return fmt.Sprintf("%s and others", strings.Join(hosts, ","))
		}
		hosts = append(hosts, host)
	}
	return strings.Join(hosts, ",")
}
