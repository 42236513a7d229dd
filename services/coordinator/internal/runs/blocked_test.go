package runs

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/store"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// A coordinator that is started again knows that a worker's guard has ended the run, and why, although the one before did not come to
// stop the others: it does, and grants nothing more.
func TestRunThatWasBlockedInAnEarlierLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		config := Config{Lease: 8 * time.Second, Log: slog.New(slog.DiscardHandler)}
		before := aConductor(t, config)
		s := before.shards[0]
		s.hold.lease, s.blocked = "", "10.0.0.1 is not allowed"
		saved, _, state := before.take(s, true)
		row, err := before.row(s, saved, state)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		after := newConductor(newRun(config, about(""), "r-1", 1, time.Now()), nil, ctx, nil)
		if err := after.restore(&store.Run{Shards: []store.Shard{row}}); err != nil {
			t.Fatal(err)
		}
		after.saving = true // nothing more is stored here
		after.attachAll()
		if !after.stopped || !strings.HasSuffix(after.blockedBy, "of worker a.test:7070: 10.0.0.1 is not allowed") {
			t.Errorf("the run is stopped: %v, because %q, want it stopped by the worker's guard", after.stopped, after.blockedBy)
		}
		if got := after.unsent(nil); got != outcome.NotSentPolicyBlocked {
			t.Errorf("unsent() = %v, want POLICY_BLOCKED", got)
		}
		after.grant(time.Now())
		if after.next != 0 {
			t.Errorf("%d slots were granted, want none", after.next)
		}
	})
}
