package wire

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func grantProto(first, stride, count int64) *fanoutv1.Grant {
	return &fanoutv1.Grant{FirstSlot: first, Stride: stride, Count: count}
}

func TestShard(t *testing.T) {
	t.Parallel()
	pb := &fanoutv1.Shard{
		RunId: "run 1", ShardId: "2", Concurrency: 3, StartClockNanos: 4, InstanceId: "i",
		Grants: []*fanoutv1.Grant{grantProto(0, 3, 2), grantProto(9, 1, 1), grantProto(12, 3, 0)},
	}
	want := &Shard{
		RunID: "run 1", ShardID: "2", Concurrency: 3, StartClock: 4, InstanceID: "i",
		Grants: schedule.Grants{{First: 0, Stride: 3, Count: 2}, {First: 9, Stride: 1, Count: 1}, {First: 12, Stride: 3}},
	}
	got, violations := ParseShard(pb, &plan.Plan{}, schedule.Unbounded)
	if diff := cmp.Diff(want, got); diff != "" || violations != nil {
		t.Fatalf("ParseShard = violations %q and, -want +got:\n%s", violations, diff)
	}
	again, violations := ParseShard(ShardProto(got), &plan.Plan{}, schedule.Unbounded)
	if diff := cmp.Diff(want, again); diff != "" || violations != nil {
		t.Errorf("ParseShard(ShardProto) = violations %q and, -want +got:\n%s", violations, diff)
	}
	if got := ShardProto(nil); got != nil {
		t.Errorf("ShardProto(nil) = %v, want nil", got)
	}
}

func TestShardViolations(t *testing.T) {
	t.Parallel()
	const unbounded = schedule.Unbounded
	closed := &plan.Plan{Load: plan.Load{ClosedLoop: &plan.ClosedLoop{Concurrency: 8}}}
	for _, tt := range []struct {
		name   string
		plan   *plan.Plan
		slots  int64
		change func(*fanoutv1.Shard)
		field  string
		value  string
		words  string
	}{
		{"no run", nil, 10, func(pb *fanoutv1.Shard) { pb.RunId = "" }, "shard.run_id", `""`, "1 to 128 bytes"},
		{"run too long", nil, 10, func(pb *fanoutv1.Shard) { pb.RunId = strings.Repeat("r", 129) }, "shard.run_id", "129 bytes", "cap of 128"},
		{"run does not print", nil, 10, func(pb *fanoutv1.Shard) { pb.RunId = "a\nb" }, "shard.run_id", `"a\nb"`, "printable ASCII"},
		{"run is not ASCII", nil, 10, func(pb *fanoutv1.Shard) { pb.RunId = "ü" }, "shard.run_id", `"ü"`, "printable ASCII"},
		{"longest run", nil, 10, func(pb *fanoutv1.Shard) { pb.RunId = strings.Repeat("r", 128) }, "", "", ""},
		{"no shard", nil, 10, func(pb *fanoutv1.Shard) { pb.ShardId = "" }, "shard.shard_id", `""`, "1 to 128 bytes"},
		{"instance too long", nil, 10, func(pb *fanoutv1.Shard) { pb.InstanceId = strings.Repeat("i", 129) }, "shard.instance_id", "129 bytes", "cap of 128"},

		{"no grants", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants = nil }, "shard.grants", "0 ", "1 to 1000"},
		{"stride absent", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(0, 0, 1) }, "shard.grants[0].stride", "0 ", "less than 1"},
		{"first slot below 0", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(-1, 1, 1) }, "shard.grants[0].first_slot", "-1 ", "0 to 9"},
		{"first slot beyond the run", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(10, 1, 1) }, "shard.grants[0].first_slot", "10 ", "0 to 9"},
		{"stride below 1", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(0, -2, 1) }, "shard.grants[0].stride", "-2 ", "less than 1"},
		{"count below 0", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(0, 1, -1) }, "shard.grants[0].count", "-1 ", "less than 0"},
		{"count 0 in a bounded run", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(0, 1, 0) }, "shard.grants[0].count", "0 ", "only the last grant"},
		{"count 0 before the last grant", nil, unbounded, func(pb *fanoutv1.Shard) {
			pb.Grants = []*fanoutv1.Grant{grantProto(0, 2, 0), grantProto(1, 2, 0)}
		}, "shard.grants[0].count", "0 ", "only the last grant"},
		{"count 0", nil, unbounded, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(5, 3, 0) }, "", "", ""},
		{"count 0 with a stride that overflows", nil, unbounded, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(5, math.MaxInt64, 0) }, "shard.grants[0].stride", "9223372036854775807", "cap of 1048576"},
		{"last slot", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(1, 4, 3) }, "", "", ""},
		{"slot beyond the last", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(2, 4, 3) }, "shard.grants[0].count", "3 slots from 2", "the run's 10"},
		{"slot that overflows", nil, 10, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(1, math.MaxInt64, math.MaxInt64) }, "shard.grants[0].count", "9223372036854775807", "the run's 10"},
		{"slot that overflows in an unbounded run", nil, unbounded, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(1, 1<<32, 1<<32) }, "shard.grants[0].count", "4294967296", "beyond the run's"},
		{"first slot next to overflow", nil, unbounded, func(pb *fanoutv1.Shard) { pb.Grants[0] = grantProto(math.MaxInt64, 1, 1) }, "shard.grants[0].first_slot", "9223372036854775807", "use 0 to"},
		{"a stride that does not matter", nil, 10, func(pb *fanoutv1.Shard) {
			pb.Grants = []*fanoutv1.Grant{grantProto(9, math.MaxInt64, 1), grantProto(0, math.MaxInt64, 1)}
		}, "", "", ""},
		{"overlapping", nil, 100, func(pb *fanoutv1.Shard) {
			pb.Grants = []*fanoutv1.Grant{grantProto(0, 1, 1), grantProto(1, 3, 5), grantProto(2, 2, 9)}
		}, "shard.grants[2]", "9 slots from 2 on have one in common with the 5 from 1 on", "once"},
		{"the same slot twice", nil, 100, func(pb *fanoutv1.Shard) {
			pb.Grants = []*fanoutv1.Grant{grantProto(7, 9, 1), grantProto(7, 11, 1)}
		}, "shard.grants[1]", "1 slots from 7", "once"},
		{"overlapping one without end", nil, unbounded, func(pb *fanoutv1.Shard) {
			pb.Grants = []*fanoutv1.Grant{grantProto(100, 1, 1), grantProto(0, 10, 0)}
		}, "shard.grants[1]", "0 slots from 0", "once"},

		{"concurrency in a closed loop", closed, 10, func(*fanoutv1.Shard) {}, "shard.concurrency", "0 ", "less than 1"},
		{"concurrency below 0", nil, 10, func(pb *fanoutv1.Shard) { pb.Concurrency = -1 }, "shard.concurrency", "-1 ", "less than 0"},
		{"concurrency 1", closed, 10, func(pb *fanoutv1.Shard) { pb.Concurrency = 1 }, "", "", ""},
		{"concurrency of a leased shard without a shape", nil, 10, func(pb *fanoutv1.Shard) {
			pb.Grants, pb.LeaseDuration = nil, durationpb.New(time.Second)
		}, "shard.concurrency", "0 ", "less than 1"},
		{"start below 0", nil, 10, func(pb *fanoutv1.Shard) { pb.StartClockNanos = -1 }, "shard.start_clock_nanos", "-1 ", "less than 0"},

		{"shortest lease", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = durationpb.New(time.Second) }), "", "", ""},
		{"longest lease", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = durationpb.New(time.Hour) }), "", "", ""},
		{"lease too short", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = durationpb.New(time.Second - 1) }), "shard.lease_duration", "999.999999ms", "1s and 1h"},
		{"lease too long", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = durationpb.New(time.Hour + 1) }), "shard.lease_duration", "1h0m0.000000001s", "1s and 1h"},
		{"lease of no time", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = &durationpb.Duration{} }), "shard.lease_duration", "0s", "1s and 1h"},
		{"lease before all time", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseDuration = &durationpb.Duration{Seconds: math.MinInt64} }), "shard.lease_duration", "-2562047h47m", "1s and 1h"},
		{"lease with grants", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.Grants = []*fanoutv1.Grant{grantProto(0, 1, 1)} }), "shard.grants", "leave them out", "RenewLease"},
		{"lease_id that does not print", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.LeaseId = "a\nb" }), "shard.lease_id", `"a\nb"`, "printable ASCII"},
		{"epoch below 0", nil, 10, leased(func(pb *fanoutv1.Shard) { pb.Epoch = -1 }), "shard.epoch", "-1 ", "less than 0"},
		{"lease_id without a lease", nil, 10, func(pb *fanoutv1.Shard) { pb.LeaseId = "l" }, "shard.lease_id", "without a lease_duration", "both or none"},
		{"epoch without a lease", nil, 10, func(pb *fanoutv1.Shard) { pb.Epoch = 1 }, "shard.epoch", "without a lease_duration", "both or none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pb := &fanoutv1.Shard{RunId: "r", ShardId: "s", Grants: []*fanoutv1.Grant{grantProto(0, 1, 1)}}
			tt.change(pb)
			p := tt.plan
			if p == nil {
				p = &plan.Plan{}
			}
			s, got := ParseShard(pb, p, tt.slots)
			if tt.field == "" {
				if s == nil || got != nil {
					t.Errorf("ParseShard(%v) = %v, %q, want a shard", pb, s, got)
				}
				return
			}
			wantViolations(t, got, Violation{tt.field, tt.value}, Violation{tt.field, tt.words})
		})
	}
}

// leased changes a shard that has a lease.
func leased(change func(*fanoutv1.Shard)) func(*fanoutv1.Shard) {
	return func(pb *fanoutv1.Shard) {
		pb.Grants, pb.Concurrency, pb.LeaseDuration = nil, 1, durationpb.New(8*time.Second)
		change(pb)
	}
}

// A shard with a lease is what the coordinator asked for, whether it opens the lease or attaches to it.
func TestLeasedShardRoundTrip(t *testing.T) {
	t.Parallel()
	id := func(t *rapid.T, label string, least int) string {
		return rapid.StringOfN(rapid.RuneFrom(nil, unicode.ASCII_Hex_Digit), least, 128, 128).Draw(t, label)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := &Shard{
			RunID: id(t, "run_id", 1), ShardID: id(t, "shard_id", 1), InstanceID: id(t, "instance_id", 0), LeaseID: id(t, "lease_id", 0),
			Concurrency: rapid.Int64Min(1).Draw(t, "concurrency"), StartClock: time.Duration(rapid.Int64Min(0).Draw(t, "start_clock")),
			Lease: time.Duration(rapid.Int64Range(int64(minLease), int64(maxLease)).Draw(t, "lease")), Epoch: rapid.Int64Min(0).Draw(t, "epoch"),
		}
		got, violations := ParseShard(roundTrip(t, ShardProto(want)), &plan.Plan{}, 10)
		if diff := cmp.Diff(want, got); diff != "" || violations != nil {
			t.Fatalf("ParseShard(ShardProto(s)) = violations %q and, -want +got:\n%s", violations, diff)
		}
	})
}

func TestNoShard(t *testing.T) {
	t.Parallel()
	_, got := ParseShard(nil, &plan.Plan{}, 1)
	wantViolations(t, got, Violation{"shard", "required"})
}

// As many grants as there may be, none of them a progression that ends before the next, are compared within a moment.
func TestManyGrants(t *testing.T) {
	t.Parallel()
	pb := &fanoutv1.Shard{RunId: "r", ShardId: "s"}
	for i := range int64(maxGrants) {
		pb.Grants = append(pb.Grants, grantProto(i, maxGrants, 1e6))
	}
	start := time.Now()
	s, violations := ParseShard(pb, &plan.Plan{}, 1e10)
	if violations != nil || s.Grants.Len() != 1e9 {
		t.Errorf("ParseShard = %v, %q, want 10^9 slots", s, violations)
	}
	t.Logf("took %v", time.Since(start))

	pb.Grants = append(pb.Grants, grantProto(1e9, 1, 1))
	_, violations = ParseShard(pb, &plan.Plan{}, 1e10)
	wantViolations(t, violations, Violation{"shard.grants", "1001 is more than 1000"})
}

// ParseShard takes grants just when listing their slots finds each within the run, once.
func TestShardAgreesWithListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.Int64Range(1, 40).Draw(t, "slots")
		pb := &fanoutv1.Shard{RunId: "r", ShardId: "s"}
		seen := make(map[int64]bool)
		want := true
		for range rapid.IntRange(1, 4).Draw(t, "grants") {
			g := grantProto(rapid.Int64Range(-1, 40).Draw(t, "first"), rapid.Int64Range(0, 9).Draw(t, "stride"), rapid.Int64Range(0, 9).Draw(t, "count"))
			pb.Grants = append(pb.Grants, g)
			want = want && g.GetStride() > 0 && g.GetCount() > 0
			for k := range g.GetCount() {
				slot := g.GetFirstSlot() + k*g.GetStride()
				want = want && slot >= 0 && slot < slots && !seen[slot]
				seen[slot] = true
			}
		}
		s, violations := ParseShard(pb, &plan.Plan{}, slots)
		if (violations == nil) != want {
			t.Fatalf("ParseShard(%v) of %d slots = %v, %q, want accepted: %v", pb, slots, s, violations, want)
		}
		if want && s.Grants.Len() != int64(len(seen)) {
			t.Fatalf("ParseShard(%v) has %d slots, want %d", pb, s.Grants.Len(), len(seen))
		}
	})
}
