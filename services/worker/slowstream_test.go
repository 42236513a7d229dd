package worker_test

import (
	"testing"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/target"
	"github.com/fanout-load/fanout/services/worker"
)

// A caller that does not read for a while: by default, and with WAIT, its senders stand still when 64 MiB wait for it, and every
// outcome arrives; with FOLD, and in a shard by default, they go on, and the counts are exact although not every outcome arrives.
// The tests of this file take turns: each holds as much as a queue may.
func TestSlowStream(t *testing.T) {
	const slots, body = 200, 1 << 20
	whole := &fanoutv1.Shard{
		RunId: "run", ShardId: "s0", Concurrency: 4, Grants: []*fanoutv1.Grant{{Stride: 1, Count: slots}},
	}
	for _, tt := range []struct {
		name  string
		slow  fanoutv1.SlowStream
		shard *fanoutv1.Shard
		folds bool
	}{
		{"a call", fanoutv1.SlowStream_SLOW_STREAM_UNSPECIFIED, nil, false},
		{"a call with FOLD", fanoutv1.SlowStream_SLOW_STREAM_FOLD, nil, true},
		{"a shard", fanoutv1.SlowStream_SLOW_STREAM_UNSPECIFIED, whole, true},
		{"a shard with WAIT", fanoutv1.SlowStream_SLOW_STREAM_WAIT, whole, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := oracle(t)
			_, client := start(t, worker.Config{})
			p := planOf(closedLoop(slots, 4), o.URL()+"/bytes/1048576")
			p.Requests[0].Group = "g"
			p.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: body}, SlowStream: tt.slow}
			stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: p, Shard: tt.shard})
			if err != nil {
				t.Fatal(err)
			}
			a := collect(t, stream, func(*fanoutv1.FanOutStarted) {
				sent := settled(o)
				for deadline := time.Now().Add(time.Minute); tt.folds && sent < slots && time.Now().Before(deadline); {
					sent = settled(o) // a busy machine rests too
				}
				if (sent == slots) != tt.folds {
					t.Errorf("%d of %d requests were sent while nobody read, want all: %v", sent, slots, tt.folds)
				}
			})
			if a.err != nil || a.finished == nil {
				t.Fatalf("stream ended with %v, finished %v", a.err, a.finished)
			}
			f := a.finished
			stalled := f.GetStreamStalledDuration().AsDuration()
			if listed := int64(len(a.outcomes)); f.GetRecordsCount() != listed || f.GetFoldedCount() != slots-listed || (listed < slots) != tt.folds {
				t.Errorf("%d outcomes arrived, and the tally has %d in batches and %d folded, want some folded: %v",
					listed, f.GetRecordsCount(), f.GetFoldedCount(), tt.folds)
			}
			if (stalled == 0) != tt.folds {
				t.Errorf("stream_stalled_duration = %v, want none: %v", stalled, tt.folds)
			}
			for name, tally := range map[string]*fanoutv1.Tally{"the call": f, "its group": f.GetGroups()["g"]} {
				if c := tally.GetCounts(); c.GetResponses() != slots || c.GetPlanned() != slots || tally.GetServiceTime().GetCount() != slots ||
					tally.GetReceivedBytes() != slots*body {
					t.Errorf("%s = %v, %d bytes, want %d responses of %d bytes each", name, c, tally.GetReceivedBytes(), slots, body)
				}
			}
		})
	}
}

// settled is how many requests the oracle has seen when no more come.
func settled(o *target.Oracle) int64 {
	last := int64(-1)
	for quiet := 0; quiet < 5; {
		time.Sleep(100 * time.Millisecond)
		if now := o.Ledger().Total(); now == last && now > 0 {
			quiet++
		} else {
			last, quiet = now, 0
		}
	}
	return last
}

// Without rows the tally has everything: of a call, and of a shard that is stopped before its end.
func TestTallyOnly(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{})
	tallyOnly := &fanoutv1.OutcomeOptions{Detail: fanoutv1.Detail_DETAIL_TALLY_ONLY}
	p := planOf(closedLoop(3000, 8), o.URL()+"/ok", o.URL()+"/status/404", o.URL()+"/reset")
	p.Outcomes = tallyOnly
	a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: p})
	if a.err != nil || a.finished == nil || len(a.outcomes) > 0 {
		t.Fatalf("stream ended with %v, finished %v, %d outcomes, want a tally alone", a.err, a.finished, len(a.outcomes))
	}
	c := a.finished.GetCounts()
	if c.GetPlanned() != 3000 || c.GetResponses() != 2000 || c.GetErrors() != 1000 || a.finished.GetFoldedCount() != 3000 || a.finished.GetRecordsCount() != 0 {
		t.Errorf("counts = %v with %d folded, want 2000 responses and 1000 errors, all folded", c, a.finished.GetFoldedCount())
	}
	if by := a.finished.GetResponsesByStatus(); by[200] != 1000 || by[404] != 1000 {
		t.Errorf("responses by status = %v, want 1000 each", by)
	}

	p = planOf(closedLoop(1_000_000_000, 2), o.URL()+"/delay/1ms")
	p.Outcomes = tallyOnly
	stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: p})
	if err != nil {
		t.Fatal(err)
	}
	a = collect(t, stream, func(started *fanoutv1.FanOutStarted) {
		time.Sleep(50 * time.Millisecond)
		if _, err := client.StopFanOut(t.Context(), &fanoutv1.StopFanOutRequest{RunId: started.GetRunId()}); err != nil {
			t.Errorf("StopFanOut: %v", err)
		}
	})
	c = a.finished.GetCounts()
	if sum := c.GetResponses() + c.GetErrors() + c.GetNotSent(); a.err != nil || sum != 1_000_000_000 || a.finished.GetFoldedCount() != sum || c.GetResponses() == 0 {
		t.Errorf("a stopped call ended with %v, counts %v, %d folded, want all of them folded", a.err, c, a.finished.GetFoldedCount())
	}
}
