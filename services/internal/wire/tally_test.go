package wire

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestLatency(t *testing.T) {
	t.Parallel()
	if got := SnapshotProto(&tally.Snapshot{}); got.GetServiceTime() != nil || got.GetCounts() == nil {
		t.Errorf("SnapshotProto of nothing = %v, want counts and no latency", got)
	}
	zero := tally.Snapshot{Service: tally.Latency{Stats: histogram.Stats{Count: 1}}}
	pb := roundTrip(t, SnapshotProto(&zero))
	if pb.GetServiceTime().GetMin() == nil || pb.GetServiceTime().GetMax() == nil {
		t.Errorf("latency of one value of 0 = %v, want min and max", pb.GetServiceTime())
	}
	if diff := cmp.Diff(&zero, Snapshot(pb)); diff != "" {
		t.Errorf("Snapshot(SnapshotProto), -want +got:\n%s", diff)
	}
}

func TestNilSnapshots(t *testing.T) {
	t.Parallel()
	if got := SnapshotProto(nil); got != nil {
		t.Errorf("SnapshotProto(nil) = %v, want nil", got)
	}
	if got := Snapshot(nil); got != nil {
		t.Errorf("Snapshot(nil) = %v, want nil", got)
	}
}

// A tally that no worker of ours sends can be read and merged.
func TestHostileSnapshots(t *testing.T) {
	t.Parallel()
	forever := &durationpb.Duration{Seconds: math.MaxInt64}
	never := &durationpb.Duration{Seconds: math.MinInt64, Nanos: math.MinInt32}
	got := Snapshot(&fanoutv1.Tally{
		ResponsesByStatus: map[int32]int64{200: 1, -1: 2, 1000: 3},
		Errors: []*fanoutv1.ErrorCount{
			{Class: 99, Count: 1, Examples: []string{"a", "b", "c", "d"}},
			{Class: fanoutv1.ErrorClass_ERROR_CLASS_CONN_EOF, Count: 2},
			{Class: -7, Count: 3, Examples: []string{"e", "f"}},
			nil,
		},
		NotSent:               []*fanoutv1.NotSentCount{{Reason: 99, Count: 1}, {Reason: 0, Count: 2}, nil},
		ServiceTime:           &fanoutv1.Latency{Count: 1, Sum: forever, Min: never, Max: forever, P50: forever},
		StreamStalledDuration: forever,
		Groups: map[string]*fanoutv1.Tally{
			"nil":  nil,
			"deep": {SentBytes: 1, Groups: map[string]*fanoutv1.Tally{"deeper": {}}, Seconds: []*fanoutv1.SecondTally{{}}},
		},
		Seconds: []*fanoutv1.SecondTally{nil, {Second: -1}, {Second: 3, Complete: true}},
	})
	want := &tally.Snapshot{
		ByStatus: map[int32]int64{200: 1, 0: 5},
		Errors: []tally.ClassCount{
			{Class: outcome.Other, Count: 4, Examples: []string{"a", "b", "c", "d", "e"}},
			{Class: outcome.ConnEOF, Count: 2},
		},
		NotSent: []tally.ReasonCount{{Reason: outcome.NotSentLeaseLost, Count: 3}},
		Service: tally.Latency{Stats: histogram.Stats{Count: 1, Sum: math.MaxInt64, Max: math.MaxInt64}, P50: math.MaxInt64},
		Stalled: math.MaxInt64,
		Groups:  map[string]*tally.Snapshot{"nil": {}, "deep": {SentBytes: 1}},
		Seconds: []tally.Second{{Tally: &tally.Snapshot{}}, {Second: 3, Tally: &tally.Snapshot{}, Complete: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Snapshot, -want +got:\n%s", diff)
	}
	if _, err := got.Tally(); err == nil { // it has a value where the counts say that there is none
		t.Error("Tally() of a snapshot that does not add up = nil error")
	}
	SnapshotProto(got)
}

// Messages of errors are the target's as well.
func TestSnapshotProtoMarshals(t *testing.T) {
	t.Parallel()
	got := roundTrip(t, SnapshotProto(&tally.Snapshot{
		Errors: []tally.ClassCount{{Class: outcome.Other, Count: 1, Examples: []string{"\xff", "ü"}}},
		Groups: map[string]*tally.Snapshot{"\xff": {}},
	}))
	want := &fanoutv1.Tally{
		Counts: &fanoutv1.Counts{},
		Errors: []*fanoutv1.ErrorCount{{Class: fanoutv1.ErrorClass_ERROR_CLASS_OTHER, Count: 1, Examples: []string{"\uFFFD", "ü"}}},
		Groups: map[string]*fanoutv1.Tally{"\uFFFD": {Counts: &fanoutv1.Counts{}}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("SnapshotProto = %v, want %v", got, want)
	}
}

// What a worker counts arrives as it was counted, and can be merged again.
func TestTallyTravels(t *testing.T) {
	t.Parallel()
	var counted tally.Tally
	for i := range 100 {
		counted.Add(&outcome.Outcome{Status: 200, Service: time.Duration(i) * time.Millisecond, FirstByte: time.Duration(i)}, "g")
	}
	counted.Add(&outcome.Outcome{Error: outcome.ConnEOF, Message: "closed", Lateness: time.Hour * 2}, "")
	counted.Add(&outcome.Outcome{NotSent: outcome.NotSentRunEnded}, "")
	want := counted.Snapshot(true)
	got := Snapshot(roundTrip(t, SnapshotProto(want)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Snapshot(SnapshotProto), -want +got:\n%s", diff)
	}
	again, err := got.Tally()
	if err != nil {
		t.Fatalf("Tally() = %v", err)
	}
	if diff := cmp.Diff(want, again.Snapshot(true)); diff != "" {
		t.Errorf("snapshot of the tally of the snapshot, -want +got:\n%s", diff)
	}
}
