//go:build unix

package e2e

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// TestFaultRepeatedMessages opens the same shard a hundred times at once, which is one execution: each caller is replaced by the next
// one, whether it heard of the lease before or not, and the last one hears the end. Meanwhile it renews the lease again and again, late
// and out of order: no grant goes back, and no slot is sent twice.
func TestFaultRepeatedMessages(t *testing.T) {
	t.Parallel()
	const openings, granted, part = 100, 200, 20
	o, w := oracle(t), start(t, "worker", "--state-dir", "none")
	client := workerClient(t, w.address)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	plan := &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: o.URL() + "/ok"}},
		Load:     &fanoutv1.Load{Requests: granted, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: 4}}},
		Http:     &fanoutv1.HttpOptions{SlotHeader: true},
	}
	open := &fanoutv1.FanOutRequest{Plan: plan, Shard: &fanoutv1.Shard{
		RunId: "r", ShardId: "s", Epoch: 1, Concurrency: 4, LeaseDuration: durationpb.New(8 * time.Second),
	}}
	var (
		mu       sync.Mutex
		leases   = map[string]int{}
		why      = map[string]int{} // a stream ended
		finished []*fanoutv1.FanOutFinished
		all      sync.WaitGroup
		opened   sync.WaitGroup
	)
	for range openings {
		opened.Add(1)
		all.Go(func() {
			said := sync.OnceFunc(opened.Done)
			defer said()
			stream, err := client.FanOut(ctx, open)
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				why[status.Convert(err).Message()]++
			}()
			for err == nil {
				var message *fanoutv1.FanOutResponse
				if message, err = stream.Recv(); err != nil {
					break
				}
				mu.Lock()
				if s := message.GetStarted(); s != nil {
					leases[s.GetLeaseId()]++
				}
				if f := message.GetFinished(); f != nil {
					finished = append(finished, f)
				}
				mu.Unlock()
				said()
			}
		})
	}
	opened.Wait()
	mu.Lock()
	id := ""
	for id = range leases {
	}
	if len(leases) != 1 {
		t.Fatalf("%d openings gave the leases %v, want one; streams ended with %v", openings, leases, why)
	}
	mu.Unlock()
	if n := o.Ledger().Total(); n != 0 {
		t.Errorf("%d requests were sent before the first grant", n)
	}
	info, err := client.GetWorker(ctx, &fanoutv1.GetWorkerRequest{})
	if err != nil {
		t.Fatal(err)
	}
	renewals := make([]*fanoutv1.RenewLeaseRequest, granted/part)
	for i := range renewals {
		renewals[i] = &fanoutv1.RenewLeaseRequest{
			LeaseId: id, Epoch: 1, GrantedBefore: int64(i * part), StartClockNanos: info.GetClockNanos() + 1,
			Grants:    []*fanoutv1.Grant{{FirstSlot: int64(i * part), Stride: 1, Count: part}},
			LastGrant: i == len(renewals)-1,
		}
	}
	most := int64(0)
	renew := func(r *fanoutv1.RenewLeaseRequest) error {
		response, err := client.RenewLease(ctx, r)
		if err == nil {
			if response.GetGrantedCount() < most {
				t.Errorf("granted_count went back from %d to %d", most, response.GetGrantedCount())
			}
			most = response.GetGrantedCount()
		}
		return err
	}
	chance := dice(t)
	if err := renew(renewals[2]); status.Code(err) != codes.OutOfRange {
		t.Errorf("a renewal behind a gap = %v, want OUT_OF_RANGE", err)
	}
	for i, r := range renewals[:len(renewals)-1] {
		for range 3 { // the new one, and old ones in any order
			if err := renew(r); err != nil {
				t.Errorf("RenewLease = %v, want no error", err)
			}
			if err := renew(renewals[chance.IntN(i+1)]); err != nil {
				t.Errorf("an old RenewLease = %v, want no error", err)
			}
		}
	}
	// One that was under way for longer than the lease, which others have prolonged meanwhile.
	for end := time.Now().Add(time.Duration(size(2, 30)) * time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if err := renew(renewals[len(renewals)-2]); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*fanoutv1.RenewLeaseRequest{renewals[0], renewals[len(renewals)-1], renewals[len(renewals)-1], renewals[3]} {
		if err := renew(r); err != nil {
			t.Errorf("RenewLease = %v, want no error", err)
		}
	}
	all.Wait()
	if replaced := why["another caller has taken the shard"]; replaced != openings-1 || why[io.EOF.Error()] != 1 {
		t.Errorf("the streams ended with %v, want %d that were replaced and one that heard the end", why, openings-1)
	}
	if len(finished) != 1 || finished[0].GetGrantedCount() != granted || finished[0].GetTally().GetCounts().GetResponses() != granted {
		t.Errorf("finished = %v, want %d responses of as many granted slots", finished, granted)
	}
	// The account is fetched, so that the worker need not stay for it.
	if err := renew(&fanoutv1.RenewLeaseRequest{LeaseId: id, Epoch: 1, GrantedBefore: granted, LastGrant: true, Release: true}); err != nil {
		t.Errorf("releasing the lease = %v, want no error", err)
	}
	if key, n := o.Ledger().MaxPerSlot(); n != 1 || o.Ledger().Total() != granted {
		t.Errorf("the target saw %d requests, %s %d times, want %d, each once", o.Ledger().Total(), key, n, granted)
	}
}
