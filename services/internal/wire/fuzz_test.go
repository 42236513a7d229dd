package wire

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func seed(f *testing.F, pbs ...proto.Message) {
	f.Helper()
	for _, pb := range pbs {
		b, err := proto.Marshal(pb)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

// Whatever bytes are a plan: ParsePlan answers with violations that can be read, or with a plan that it takes again and
// that has a schedule.
func FuzzParsePlan(f *testing.F) {
	cert, key := certificate()
	url := func(s string) *fanoutv1.Plan { return &fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: s}}} }
	second := durationpb.New(time.Second)
	seed(f, &fanoutv1.Plan{}, minimalPlan(),
		url("https://u:p@[fe80::1%25e]:443/?a#b"), url("ftp://x"), url("http://bücher:1/"), url("http://\x00"), url("http://xn--/"),
		&fanoutv1.Plan{
			Requests: []*fanoutv1.Request{{
				Url: "http://x", Method: "POST", Weight: 3, Timeout: second, Group: "g",
				Headers: []*fanoutv1.Header{{Name: "Host", Value: "[::1]:8"}, {Name: "TE", Value: "x\n"}},
				Body:    &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: []byte("\xff")}},
			}},
			Load: &fanoutv1.Load{Duration: second, GraceDuration: second, Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
				MaxConcurrency: 1, Stages: []*fanoutv1.Stage{rampProto(1e6, 0, time.Second), stageProto(0, time.Hour), stageProto(3, 0)},
				Arrival: random(-1), MaxLateness: second,
			}}},
			Http: &fanoutv1.HttpOptions{
				Timeout: second, DialTimeout: second, TlsTimeout: second, FirstByteTimeout: second, MaxRedirects: 1, SlotHeader: true,
				Tls: &fanoutv1.TlsOptions{InsecureSkipVerify: true, ServerName: "x", CaPem: key + cert},
			},
			Outcomes: &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: 1}, Headers: []string{"*", "etag"}},
		},
		&fanoutv1.Plan{
			Requests: minimalPlan().GetRequests(),
			Load:     &fanoutv1.Load{Requests: 1e10, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: 1}}},
		},
		&fanoutv1.Plan{Requests: []*fanoutv1.Request{{Url: strings.Repeat("\u202e", 100), Method: "\u202e", Group: strings.Repeat("ü", 99)}}},
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		pb := new(fanoutv1.Plan)
		if proto.Unmarshal(b, pb) != nil {
			t.Skip()
		}
		caps := plan.DefaultCaps()
		p, violations := ParsePlan(pb, caps)
		if (p == nil) == (violations == nil) {
			t.Fatalf("ParsePlan = %v, %q, want one of the two", p, violations)
		}
		checkReadable(t, violations)
		if p == nil {
			return
		}
		again, violations := ParsePlan(roundTrip(t, PlanProto(p)), caps)
		if diff := cmp.Diff(p, again); diff != "" || violations != nil {
			t.Errorf("ParsePlan(PlanProto(p)) = violations %q and, -want +got:\n%s", violations, diff)
		}
		slots := schedule.New(p).Slots()
		if slots < 1 || slots > caps.Slots+1 && slots != schedule.Unbounded {
			t.Errorf("the plan has %d slots", slots)
		}
	})
}

// Whatever bytes another process sends as messages about a run: they can be read, counted and passed on.
func FuzzFromPeers(f *testing.F) {
	seed(f,
		&fanoutv1.Run{Plan: minimalPlan(), Tally: SnapshotProto(snapshotWithAll()), Workers: []*fanoutv1.WorkerResult{{}}},
		SnapshotProto(snapshotWithAll()),
		&fanoutv1.Outcome{Error: 99, NotSent: 99, DueNanos: -1, Body: &fanoutv1.Body{Truncated: true}},
		&fanoutv1.Shard{RunId: "r", ShardId: "s", Grants: []*fanoutv1.Grant{grantProto(0, 2, 3), grantProto(1, 1<<62, 0)}},
		&fanoutv1.Shard{RunId: "r", ShardId: "s", Concurrency: 1, LeaseDuration: durationpb.New(minLease), LeaseId: "l", Epoch: 1},
		&fanoutv1.Shard{RunId: "r", ShardId: "s", LeaseDuration: &durationpb.Duration{Seconds: math.MaxInt64, Nanos: -1}},
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		var (
			pbRun     fanoutv1.Run
			pbTally   fanoutv1.Tally
			pbOutcome fanoutv1.Outcome
			pbShard   fanoutv1.Shard
		)
		if proto.Unmarshal(b, &pbRun) == nil {
			roundTrip(t, RunProto(Run(&pbRun), true))
		}
		if proto.Unmarshal(b, &pbTally) == nil {
			s := Snapshot(&pbTally)
			roundTrip(t, SnapshotProto(s))
			_, _ = s.Tally() // an error says that it does not add up
		}
		if proto.Unmarshal(b, &pbOutcome) == nil {
			o := Outcome(&pbOutcome)
			new(tally.Tally).Add(&o, "g")
			roundTrip(t, OutcomeProto(&o))
		}
		if proto.Unmarshal(b, &pbShard) == nil {
			for _, slots := range []int64{1, 1e10, schedule.Unbounded} {
				s, violations := ParseShard(&pbShard, &plan.Plan{}, slots)
				checkReadable(t, violations)
				if s != nil && s.Lease == 0 && (s.Grants.Len() < 1 || s.Grants.Slot(0) < 0) {
					t.Errorf("ParseShard of %v = %+v", &pbShard, s)
				}
				if s != nil && s.Lease != 0 && (s.Lease < minLease || s.Lease > maxLease || len(s.Grants) > 0) {
					t.Errorf("ParseShard of %v = %+v", &pbShard, s)
				}
			}
		}
	})
}

// Whatever bytes are a renewal: ParseRenewal answers with violations that can be read, or with a renewal that says the same again
// and grants no slot that the run has not; and whatever bytes are a position can be read and passed on.
func FuzzRenewal(f *testing.F) {
	seed(f,
		RenewalProto(&Renewal{LeaseID: "l", Grants: schedule.Grants{{First: 0, Stride: 2, Count: 3}}, Changes: []LoadChange{{Concurrency: 1}}}),
		&fanoutv1.RenewLeaseRequest{LeaseId: "l", Grants: []*fanoutv1.Grant{grantProto(0, 2, 3), grantProto(1, 1<<62, 0)}},
		&fanoutv1.RenewLeaseRequest{LeaseId: "\n", Epoch: -1, Changes: []*fanoutv1.LoadChange{{Offset: &durationpb.Duration{Nanos: -1}}}},
		PositionProto(&Position{Started: true, Offset: -1, Granted: 3, Claimed: 2, Changes: 1, State: 1}),
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		var pbPosition fanoutv1.RenewLeaseResponse
		if proto.Unmarshal(b, &pbPosition) == nil {
			first := NewPosition(&pbPosition)
			if diff := cmp.Diff(first, NewPosition(roundTrip(t, PositionProto(first)))); diff != "" {
				t.Errorf("NewPosition(PositionProto(p)), -want +got:\n%s", diff)
			}
		}
		var pb fanoutv1.RenewLeaseRequest
		if proto.Unmarshal(b, &pb) != nil {
			return
		}
		for _, slots := range []int64{1, 1e10, schedule.Unbounded} {
			r, violations := ParseRenewal(&pb, slots)
			if (r == nil) == (violations == nil) {
				t.Fatalf("ParseRenewal = %v, %q, want one of the two", r, violations)
			}
			checkReadable(t, violations)
			if r == nil {
				continue
			}
			for _, g := range r.Grants {
				if g.Count < 1 || g.First < 0 || g.Stride < 1 || g.Last() < g.First || g.Last() >= min(slots, slotLimit) {
					t.Errorf("ParseRenewal of %v has grant %+v of %d slots", &pb, g, slots)
				}
			}
			again, violations := ParseRenewal(roundTrip(t, RenewalProto(r)), slots)
			if diff := cmp.Diff(r, again); diff != "" || violations != nil {
				t.Errorf("ParseRenewal(RenewalProto(r)) = violations %q and, -want +got:\n%s", violations, diff)
			}
		}
	})
}
