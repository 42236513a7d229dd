package runs

import (
	"reflect"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/coordinator/internal/dispatch"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"
)

// What a stream brings after the run has its account changes neither the account nor what is said of the worker: a run that does not
// start ends without waiting for the last messages of the workers that let go of it.
func TestNothingCountsAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		bring func(*shard)
	}{
		{"a stream's beginning", func(s *shard) { s.Started(3) }},
		{"outcomes", func(s *shard) { s.Outcomes(3, []outcome.Outcome{{Slot: 1, Status: 200}}) }},
		{"a tally", func(s *shard) { s.Tally(3, new(tally.Tally).Snapshot(true)) }},
		{"the final tally", func(s *shard) {
			s.Finished(3, &dispatch.Final{Tally: new(tally.Tally).Snapshot(true), Stopped: true, Effort: new(run.Effort)})
		}},
		{"the death of the process", func(s *shard) { s.Finished(3, &dispatch.Final{Died: true}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShard(0, "w:7070", false, []string{""})
			s.Started(1)
			s.account.Grant(1)
			s.Outcomes(2, []outcome.Outcome{{Status: 200, Service: time.Millisecond}})
			s.end()
			before, said := s.result()
			tt.bring(s)
			after, saidAfter := s.result()
			if !reflect.DeepEqual(after, before) || !reflect.DeepEqual(saidAfter, said) {
				t.Errorf("after the end: %v and %+v, want %v and %+v", after.Counts, saidAfter, before.Counts, said)
			}
			if said.Failure != nil {
				t.Errorf("failure %v, want none", said.Failure)
			}
		})
	}
}
