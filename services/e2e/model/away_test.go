package model

import (
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// A coordinator is killed and comes back when its workers have long ended their shards by themselves. After 11 minutes they have their
// accounts still, so that nothing is unknown: a run whose slots were all granted has passed, and another one is INCOMPLETE for what was
// not sent. After 61 minutes they need not have them any more; what is unknown then is within its bounds, as in every case.
func TestCoordinatorAway(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		away   time.Duration
		length time.Duration
		want   fanoutv1.Verdict
	}{
		{"11 minutes, all granted", 11 * time.Minute, 6 * time.Second, fanoutv1.Verdict_VERDICT_PASSED},
		{"11 minutes", 11 * time.Minute, 30 * time.Second, fanoutv1.Verdict_VERDICT_INCOMPLETE},
		{"61 minutes", 61 * time.Minute, 30 * time.Second, fanoutv1.Verdict_VERDICT_INCOMPLETE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &scenario{
				shape: uniform, slots: 300, length: tt.length, concurrency: 0, workers: 2, stateDirs: true,
				onLoss: fanoutv1.OnWorkerLoss_ON_WORKER_LOSS_REASSIGN, lease: 8 * time.Second, timeout: 2 * time.Second,
				service: 20 * time.Millisecond, seed: 1,
				events: []event{{at: 3 * time.Second, kind: killBrain, lasts: tt.away}},
			}
			e := simulate(t, s, sound)
			if len(e.wrongs) > 0 || e.final == nil {
				t.Fatal(e.report(s))
			}
			c := countsOf(e.final.GetTally())
			if e.final.GetVerdict() != tt.want || c.responses == 0 || tt.away < time.Hour && c.unknown != 0 {
				t.Errorf("run = %v (%s), %v, want %v\n%s", e.final.GetVerdict(), e.final.GetVerdictReason(), c, tt.want, e.report(s))
			}
		})
	}
}
