package batch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"
	"github.com/fanout-load/fanout/services/internal/wire"
)

// Each stream begins with started and the tally of all that was before; what comes while nobody listens is folded; the sequence
// runs on.
func TestStreamsOfALeasedShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begun()
		l.put(response(0)) // nobody listens
		first := l.attach(t)
		first.wantGot(t, "st", 1, 2)
		time.Sleep(100 * ms)
		l.put(response(0))
		synctest.Wait()
		first.wantGot(t, "sto", 1, 2, 3)
		first.cancel()
		synctest.Wait()
		first.wantServed(t, true, context.Canceled)
		for range 2 {
			time.Sleep(100 * ms)
			l.put(response(0))
		}
		synctest.Wait()
		second := l.attach(t)
		second.wantGot(t, "st", 4, 5)
		if c := wire.Snapshot(second.got()[1].GetTally()); c.Counts.Responses != 4 || c.Records != 1 || c.Folded != 3 {
			t.Errorf("tally of the second stream = %v, %d in rows, %d folded, want 4 responses, 1, 3", c.Counts, c.Records, c.Folded)
		}
		final := l.finish()
		synctest.Wait()
		second.wantGot(t, "stf", 4, 5, 6)
		second.wantServed(t, true, nil)
		if got := wire.Snapshot(final.GetFinished().GetTally()); got.Counts != (tally.Counts{Planned: 4, Responses: 4}) || final.GetSequence() != 6 {
			t.Errorf("final message = %v with sequence %d, want 4 responses with 6", got.Counts, final.GetSequence())
		}
		late := l.attach(t)
		late.wantServed(t, false, nil)
		late.wantGot(t, "")
	})
}

// Before the shard has begun a stream has started only, and one after the other may listen.
func TestAwait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeasedLine(10, Options{})
		first := l.attach(t)
		first.wantGot(t, "s", 1)
		if got := first.got()[0].GetStarted(); got.GetLeaseId() != "lease" || got.GetRunId() != "run" {
			t.Errorf("started = %v, want the lease and the run", got)
		}
		second := l.attach(t)
		second.wantGot(t, "s", 2)
		time.Sleep(time.Minute)
		close(l.begin)
		time.Sleep(checkpointInterval)
		synctest.Wait()
		second.wantGot(t, "st", 2, 3)
		if got := wire.Snapshot(second.got()[1].GetTally()); got.Counts != (tally.Counts{Planned: 10, Pending: 10}) {
			t.Errorf("tally = %v, want 10 pending", got.Counts)
		}
		l.finish()
		synctest.Wait()
		second.wantGot(t, "stof", 2, 3, 4, 5)
	})
}

// A shard that ends before it has begun has an account of nothing: neither an outcome nor a second.
func TestEndBeforeBegin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		listens bool
		want    int64 // sequence of the final message
	}{{"unheard", false, 1}, {"heard", true, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeasedLine(10, Options{})
				if tt.listens {
					s := l.attach(t)
					defer s.wantGot(t, "sf", 1, 2)
				}
				close(l.end)
				<-l.over
				synctest.Wait()
				got := wire.Snapshot(l.final.GetFinished().GetTally())
				if got.Counts != (tally.Counts{}) || len(got.Seconds) != 0 || l.final.GetSequence() != tt.want {
					t.Errorf("final message = %v with %d seconds, sequence %d, want nothing, %d", got.Counts, len(got.Seconds), l.final.GetSequence(), tt.want)
				}
			})
		})
	}
}

// The last message says how the shard ended, and is the same for whoever hears it and whoever gets it later.
func TestFinishOfALeasedShard(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		listens      bool
		tallyOnly    bool
		rows, folded int64
	}{{"heard", true, false, 10, 0}, {"unheard", false, false, 0, 10}, {"tally only", true, true, 0, 10}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLeasedLine(10, Options{TallyOnly: tt.tallyOnly})
				close(l.begin)
				var s *listener
				if tt.listens {
					s = l.attach(t)
				}
				l.put(response(0))
				l.put(outcome.Outcome{Error: outcome.ConnReset})
				final := l.finish()
				synctest.Wait()
				f := final.GetFinished()
				if f.GetReason() != fanoutv1.FinishReason_FINISH_REASON_COMPLETED || f.GetGrantedCount() != 10 {
					t.Errorf("finished = %v, granted %d, want COMPLETED, 10", f.GetReason(), f.GetGrantedCount())
				}
				got := wire.Snapshot(f.GetTally())
				if want := (tally.Counts{Planned: 10, Responses: 1, Errors: 1, NotSent: 8}); got.Counts != want || got.Records != tt.rows || got.Folded != tt.folded {
					t.Errorf("finished = %v, %d in rows, %d folded, want %v, %d, %d", got.Counts, got.Records, got.Folded, want, tt.rows, tt.folded)
				}
				for _, second := range got.Seconds {
					if !second.Complete {
						t.Errorf("second %d of the final tally is not complete", second.Second)
					}
				}
				if s == nil {
					return
				}
				all := s.got()
				if last := all[len(all)-1].FanOutResponse; !proto.Equal(last, final) {
					t.Errorf("last message = %v, want %v", last, final)
				}
			})
		})
	}
}

// Slots that nobody claimed are folded from where the stream breaks on.
func TestRestWhileTheStreamBreaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLeasedLine(4*bulkRows, Options{})
		s := l.attach(t)
		close(l.begin)
		s.breaksAt = 3 // started, a batch, and then nothing
		final := l.finish()
		synctest.Wait()
		s.wantServed(t, true, errBroken)
		got := wire.Snapshot(final.GetFinished().GetTally())
		if want := (tally.Counts{Planned: 4 * bulkRows, NotSent: 4 * bulkRows}); got.Counts != want || got.Records != 2*bulkRows || got.Folded != 2*bulkRows {
			t.Errorf("finished = %v, %d in rows, %d folded, want %v, half of them in rows", got.Counts, got.Records, got.Folded, want)
		}
	})
}

// A shard that has ended right after it began is one that has begun: its slots are to be accounted for.
func TestBeginAndEndAtOnce(t *testing.T) {
	t.Parallel()
	for range 20 { // which of two closed channels is seen first is chance
		b := NewLeased(NewQueue(Options{Groups: []string{""}}), NewOutlet(), &fanoutv1.FanOutStarted{})
		begin, end := make(chan struct{}), make(chan struct{})
		close(begin)
		close(end)
		if !b.Await(begin, end) {
			t.Fatal("Await() of a shard that began = false, want true")
		}
	}
}
