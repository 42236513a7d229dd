package wire

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/schedule"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestRenewal(t *testing.T) {
	t.Parallel()
	pb := &fanoutv1.RenewLeaseRequest{
		LeaseId: "l", Epoch: 1, GrantedBefore: 2, Grants: []*fanoutv1.Grant{grantProto(0, 3, 2), grantProto(9, 7, 1)}, LastGrant: true,
		ChangesBefore: 3, Changes: []*fanoutv1.LoadChange{{Concurrency: 4}, {Offset: durationpb.New(time.Second), Concurrency: 5}},
		StartClockNanos: 6, AckedSecond: 7, Stop: true, Release: true,
	}
	want := &Renewal{
		LeaseID: "l", Epoch: 1, GrantedBefore: 2, Grants: schedule.Grants{{First: 0, Stride: 3, Count: 2}, {First: 9, Stride: 1, Count: 1}}, LastGrant: true,
		ChangesBefore: 3, Changes: []LoadChange{{Concurrency: 4}, {Offset: time.Second, Concurrency: 5}},
		StartClock: 6, AckedSecond: 7, Stop: true, Release: true,
	}
	got, violations := ParseRenewal(pb, 10)
	if diff := cmp.Diff(want, got); diff != "" || violations != nil {
		t.Fatalf("ParseRenewal = violations %q and, -want +got:\n%s", violations, diff)
	}
	again, violations := ParseRenewal(roundTrip(t, RenewalProto(got)), 10)
	if diff := cmp.Diff(want, again); diff != "" || violations != nil {
		t.Errorf("ParseRenewal(RenewalProto) = violations %q and, -want +got:\n%s", violations, diff)
	}
}

func TestRenewalViolations(t *testing.T) {
	t.Parallel()
	const unbounded = schedule.Unbounded
	grants := func(all ...*fanoutv1.Grant) func(*fanoutv1.RenewLeaseRequest) {
		return func(pb *fanoutv1.RenewLeaseRequest) { pb.Grants = all }
	}
	many := func(n int) []*fanoutv1.Grant {
		var all []*fanoutv1.Grant
		for i := range int64(n) {
			all = append(all, grantProto(i, 1, 1))
		}
		return all
	}
	changes := func(all ...*fanoutv1.LoadChange) func(*fanoutv1.RenewLeaseRequest) {
		return func(pb *fanoutv1.RenewLeaseRequest) { pb.Changes = all }
	}
	for _, tt := range []struct {
		name   string
		slots  int64
		change func(*fanoutv1.RenewLeaseRequest)
		field  string
		value  string
		words  string
	}{
		{"nothing but the lease", 10, func(*fanoutv1.RenewLeaseRequest) {}, "", "", ""},
		{"no lease", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.LeaseId = "" }, "lease_id", `""`, "1 to 128 bytes"},
		{"lease too long", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.LeaseId = strings.Repeat("l", 129) }, "lease_id", "129 bytes", "cap of 128"},
		{"lease does not print", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.LeaseId = "a\nb" }, "lease_id", `"a\nb"`, "printable ASCII"},
		{"epoch", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.Epoch = -1 }, "epoch", "-1 ", "less than 0"},
		{"granted before", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.GrantedBefore = -1 }, "granted_before", "-1 ", "less than 0"},
		{"changes before", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.ChangesBefore = -1 }, "changes_before", "-1 ", "less than 0"},
		{"start", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.StartClockNanos = -1 }, "start_clock_nanos", "-1 ", "less than 0"},
		{"acknowledged", 10, func(pb *fanoutv1.RenewLeaseRequest) { pb.AckedSecond = -1 }, "acked_second", "-1 ", "less than 0"},

		{"as many grants as can be", 1000, grants(many(1000)...), "", "", ""},
		{"too many grants", 1001, grants(many(1001)...), "grants", "1001 ", "more than 1000"},
		{"a grant beyond the run", 10, grants(grantProto(10, 1, 1)), "grants[0].first_slot", "10 ", "0 to 9"},
		{"a stride of 0", 10, grants(grantProto(0, 1, 1), grantProto(2, 0, 1)), "grants[1].stride", "0 ", "less than 1"},
		{"a count of 0", 10, grants(grantProto(0, 1, 0)), "grants[0].count", "0 ", "without end"},
		{"a grant without end", unbounded, grants(grantProto(0, 1, 5), grantProto(5, 1, 0)), "grants[1].count", "0 is without end", "no lease"},
		{"a grant that overflows", unbounded, grants(grantProto(1, 1<<32, 1<<32)), "grants[0].count", "4294967296", "beyond the run's"},
		{"a slot twice", 10, grants(grantProto(0, 2, 3), grantProto(4, 1, 1)), "grants[1]", "1 slots from 4", "once"},

		{"no change", 10, changes(nil), "changes[0].concurrency", "0 ", "less than 1"},
		{"a change to nothing", 10, changes(&fanoutv1.LoadChange{Concurrency: 1}, &fanoutv1.LoadChange{}), "changes[1].concurrency", "0 ", "less than 1"},
		{
			"a change before the start", 10, changes(&fanoutv1.LoadChange{Concurrency: 1, Offset: durationpb.New(-1)}),
			"changes[0].offset", "-1ns", "less than 0",
		},
		{
			"a change at no time", 10, changes(&fanoutv1.LoadChange{Concurrency: 1, Offset: &durationpb.Duration{Seconds: 1, Nanos: -1}}),
			"changes[0].offset", "1 s and -1 ns", "not a duration",
		},
		{"too many changes", 10, func(pb *fanoutv1.RenewLeaseRequest) {
			for range 1001 {
				pb.Changes = append(pb.Changes, &fanoutv1.LoadChange{Concurrency: 1})
			}
		}, "changes", "1001 ", "more than 1000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pb := &fanoutv1.RenewLeaseRequest{LeaseId: "l"}
			tt.change(pb)
			r, got := ParseRenewal(pb, tt.slots)
			if tt.field == "" {
				if r == nil || got != nil {
					t.Errorf("ParseRenewal(%s) = %v, %q, want a renewal", show80(pb), r, got)
				}
				return
			}
			wantViolations(t, got, Violation{tt.field, tt.value}, Violation{tt.field, tt.words})
		})
	}
	if _, got := ParseRenewal(nil, 10); len(got) != 1 || got[0].Field != "lease_id" {
		t.Errorf("ParseRenewal(nil) = %q, want one on lease_id", got)
	}
}

// drawRenewal is a renewal of a run of any number of slots. Its grants do not overlap: each begins after the one before.
func drawRenewal(t *rapid.T) *Renewal {
	count := func(name string) int64 { return rapid.Int64Min(0).Draw(t, name) }
	r := &Renewal{
		LeaseID: rapid.StringMatching(`[ -~]{1,128}`).Draw(t, "lease_id"), Epoch: count("epoch"),
		GrantedBefore: count("granted_before"), Grants: schedule.Grants{}, LastGrant: rapid.Bool().Draw(t, "last_grant"),
		ChangesBefore: count("changes_before"), Changes: []LoadChange{},
		StartClock: time.Duration(count("start_clock")), AckedSecond: count("acked_second"),
		Stop: rapid.Bool().Draw(t, "stop"), Release: rapid.Bool().Draw(t, "release"),
	}
	next := int64(0)
	for range rapid.IntRange(0, 4).Draw(t, "grants") {
		g := schedule.Grant{
			First: next + rapid.Int64Range(0, 1e6).Draw(t, "first"), Stride: rapid.Int64Range(1, 1e6).Draw(t, "stride"),
			Count: rapid.Int64Range(1, 1e6).Draw(t, "count"),
		}
		if g.Count == 1 {
			g.Stride = 1 // as it is read
		}
		r.Grants, next = append(r.Grants, g), g.Last()+1
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		r.Changes = append(r.Changes, LoadChange{
			Offset: drawDuration(t, "offset", 0), Concurrency: rapid.Int64Min(1).Draw(t, "concurrency"),
		})
	}
	return r
}

func TestRenewalRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawRenewal(t)
		got, violations := ParseRenewal(roundTrip(t, RenewalProto(want)), schedule.Unbounded)
		if diff := cmp.Diff(want, got); diff != "" || violations != nil {
			t.Fatalf("ParseRenewal(RenewalProto(r)) = violations %q and, -want +got:\n%s", violations, diff)
		}
	})
}

func TestPositionRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		count := func(name string) int64 { return rapid.Int64Min(0).Draw(t, name) }
		want := &Position{
			Clock: time.Duration(count("clock")), Granted: count("granted"), Claimed: count("claimed"), Changes: count("changes"),
			State: rapid.Int32Range(0, int32(len(fanoutv1.LeaseState_name))).Draw(t, "state"),
		}
		if want.Started = rapid.Bool().Draw(t, "started"); want.Started {
			want.Offset = time.Duration(rapid.Int64().Draw(t, "offset")) // also before the start
		}
		if diff := cmp.Diff(want, NewPosition(roundTrip(t, PositionProto(want)))); diff != "" {
			t.Fatalf("NewPosition(PositionProto(p)), -want +got:\n%s", diff)
		}
	})
}

// A worker that is not ours says nothing that a coordinator could not count with.
func TestHostilePositions(t *testing.T) {
	t.Parallel()
	got := NewPosition(&fanoutv1.RenewLeaseResponse{
		ClockNanos: -1, RunOffset: &durationpb.Duration{Seconds: math.MinInt64}, GrantedCount: -1, ClaimedCount: -2, ChangesCount: math.MinInt64, State: -7,
	})
	want := &Position{Clock: -1, Started: true, Offset: math.MinInt64, State: -7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("NewPosition, -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(&Position{}, NewPosition(nil)); diff != "" {
		t.Errorf("NewPosition(nil), -want +got:\n%s", diff)
	}
}
