package hostile

import (
	"context"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/worker"
)

// Renewals that mean harm are refused, each for what is wrong with it, and the lease stays as it was.
func TestHostileRenewals(t *testing.T) {
	t.Parallel()
	client := startWorker(t, worker.Config{Dialer: refusing()})
	ctx := t.Context()
	request := &fanoutv1.FanOutRequest{
		Plan:  endless(time.Hour, 0),
		Shard: &fanoutv1.Shard{RunId: "r", ShardId: "s", Concurrency: 1, LeaseDuration: durationpb.New(time.Hour), Epoch: 5},
	}
	stream, err := client.FanOut(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	started, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	id := started.GetStarted().GetLeaseId()
	before, err := client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Aborted {
		t.Errorf("the stream of a lower epoch = %v, want ABORTED", err)
	}
	request.Shard.LeaseId, request.Shard.Epoch = id, 7
	if stream, err = client.FanOut(ctx, request); err != nil {
		t.Fatal(err)
	}
	grant := func(first, stride, count int64) []*fanoutv1.Grant {
		return []*fanoutv1.Grant{{FirstSlot: first, Stride: stride, Count: count}}
	}
	for _, tt := range []struct {
		name    string
		request *fanoutv1.RenewLeaseRequest
		want    codes.Code
	}{
		{"a lease that is not held", &fanoutv1.RenewLeaseRequest{LeaseId: "other", Stop: true, Release: true}, codes.NotFound},
		{"no lease", &fanoutv1.RenewLeaseRequest{Stop: true}, codes.NotFound},
		{"a lease of 1 MiB", &fanoutv1.RenewLeaseRequest{LeaseId: string(make([]byte, 1<<20))}, codes.NotFound},
		{"an epoch that is over", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 6, Stop: true}, codes.FailedPrecondition},
		{"a negative epoch", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: math.MinInt64, Stop: true}, codes.InvalidArgument},
		{"1,000,000 grants", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: repeated(1_000_000, &fanoutv1.Grant{})}, codes.InvalidArgument},
		{"100,000 changes", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Changes: repeated(100_000, &fanoutv1.LoadChange{})}, codes.InvalidArgument},
		{"the same grant twice", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: append(grant(0, 1, 5), grant(0, 1, 5)...)}, codes.InvalidArgument},
		{"slots beyond int64", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: grant(math.MaxInt64, math.MaxInt64, math.MaxInt64)}, codes.InvalidArgument},
		{"a stride that overflows", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: grant(1, math.MaxInt64, 3)}, codes.InvalidArgument},
		{"a count that overflows", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: grant(1<<59, 1<<30, 1<<34)}, codes.InvalidArgument},
		{"a grant without end", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: grant(0, 1, 0)}, codes.InvalidArgument},
		{"negative slots", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Grants: grant(-1, -1, -1)}, codes.InvalidArgument},
		{"grants from nowhere on", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, GrantedBefore: math.MaxInt64, Grants: grant(0, 1, 1)}, codes.OutOfRange},
		{"changes from nowhere on", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, ChangesBefore: math.MaxInt64}, codes.OutOfRange},
		{"a start that is negative", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, StartClockNanos: math.MinInt64}, codes.InvalidArgument},
		{"a start in 200 years", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, StartClockNanos: math.MaxInt64}, codes.InvalidArgument},
		{"an offset that is no duration", &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Changes: []*fanoutv1.LoadChange{
			{Offset: &durationpb.Duration{Seconds: 315576000001, Nanos: -1}, Concurrency: 1},
		}}, codes.InvalidArgument},
	} {
		_, err := client.RenewLease(ctx, tt.request)
		if status.Code(err) != tt.want {
			t.Errorf("RenewLease with %s = %v, want %v", tt.name, err, tt.want)
		}
		refused(t, err)
	}
	after, err := client.RenewLease(ctx, &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7})
	if err != nil || after.GetState() != before.GetState() || after.GetGrantedCount() != 0 || after.GetChangesCount() != 0 || after.GetRunOffset() != nil {
		t.Errorf("the lease is %v, %v after that, want it as it was: %v", after, err, before)
	}
	end := &fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 7, Stop: true}
	if _, err := client.RenewLease(ctx, end); err != nil {
		t.Fatal(err)
	}
	within(t, func(context.Context) {
		a := account{t: t}
		if err := a.read(stream); err != nil {
			t.Error(err)
		}
		a.end()
	})
}

// A shard without a lease that begins in years would hold its place until then.
func TestAStartInYearsIsRefused(t *testing.T) {
	t.Parallel()
	client := startWorker(t, worker.Config{Dialer: refusing()})
	_, err := first(client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: short(), Shard: &fanoutv1.Shard{
		RunId: "r", ShardId: "s", Concurrency: 1, Grants: []*fanoutv1.Grant{{Stride: 1, Count: 1}}, StartClockNanos: math.MaxInt64,
	}}))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("FanOut = %v, want INVALID_ARGUMENT", err)
	}
	refused(t, err)
}
