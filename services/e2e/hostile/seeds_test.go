package hostile

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// plans are valid plans of every shape, and some that are wrong in a way of their own.
func plans() []*fanoutv1.Plan {
	get := []*fanoutv1.Request{{Url: "http://target.example/"}}
	for i := range 3 {
		get = append(get, &fanoutv1.Request{
			Url: "https://192.0.2.1:8443/a?b=c", Method: "POST", Weight: int32(i), Group: "g", Timeout: milliseconds(50),
			Headers: []*fanoutv1.Header{{Name: "Host", Value: "other.example"}, {Name: "X-A", Value: "b"}},
			Body:    &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: "body"}},
		})
	}
	lateness := milliseconds(1)
	ramp := 500.0
	return []*fanoutv1.Plan{
		nil,
		{},
		{Requests: get},
		{Requests: get, Load: &fanoutv1.Load{Requests: 100}},
		{Requests: get, Load: &fanoutv1.Load{Requests: 50, Duration: milliseconds(30), Shape: closed(7)}},
		{Requests: get, Load: &fanoutv1.Load{Duration: milliseconds(30), GraceDuration: milliseconds(0), Shape: closed(2)}},
		{Requests: get[:1], Load: &fanoutv1.Load{Duration: milliseconds(90), Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
			Stages: []*fanoutv1.Stage{{RatePerSecond: 400}}, MaxConcurrency: 3, MaxLateness: lateness,
		}}}},
		{Requests: get, Load: &fanoutv1.Load{Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
			Stages: []*fanoutv1.Stage{
				{RatePerSecond: 100, EndRatePerSecond: &ramp, Duration: milliseconds(40)},
				{RatePerSecond: 0, Duration: milliseconds(9)},
				{RatePerSecond: 900, Duration: milliseconds(40)},
			},
			Arrival: &fanoutv1.OpenLoop_Poisson{Poisson: &fanoutv1.Poisson{Seed: 7}},
		}}}},
		{
			Requests: get[:1],
			Http: &fanoutv1.HttpOptions{
				Timeout: milliseconds(99), DialTimeout: milliseconds(20), TlsTimeout: milliseconds(20), FirstByteTimeout: milliseconds(20), MaxRedirects: 5,
				SlotHeader: true, RequestsPerConnection: 1, Engine: fanoutv1.Engine_ENGINE_STD,
				Tls: &fanoutv1.TlsOptions{InsecureSkipVerify: true, ServerName: "x.example"},
			},
			Outcomes: &fanoutv1.OutcomeOptions{
				Detail: fanoutv1.Detail_DETAIL_TALLY_ONLY, SlowStream: fanoutv1.SlowStream_SLOW_STREAM_FOLD,
				Body: &fanoutv1.BodyOptions{MaxBytes: 100}, Headers: []string{"*"},
			},
		},
		{Requests: []*fanoutv1.Request{{
			Url: "http://192.0.2.1/", Headers: []*fanoutv1.Header{{Name: "X", Value: "a${env:SECRET}b"}, {Name: "Y", Value: "${file:/etc/passwd}${env:}${"}},
			Body: &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: "${env:SECRET}"}},
		}}},
		{Requests: get, Load: &fanoutv1.Load{Requests: math.MaxInt64, Duration: &durationpb.Duration{Seconds: 315576000001, Nanos: -1}, Shape: closed(-1)}},
		{Requests: get, Load: &fanoutv1.Load{Duration: milliseconds(50), Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
			Stages: []*fanoutv1.Stage{{RatePerSecond: math.NaN()}, {RatePerSecond: math.Inf(1)}, {RatePerSecond: -1}, {RatePerSecond: 5e-324}},
		}}}},
		{Requests: []*fanoutv1.Request{{Url: "http://" + strings.Repeat("a.", 5000)}, {Url: "//"}, {Url: "http://x", Weight: math.MinInt32}}},
	}
}

func closed(concurrency int64) *fanoutv1.Load_ClosedLoop {
	return &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: concurrency}}
}

func milliseconds(n int64) *durationpb.Duration {
	return durationpb.New(time.Duration(n) * time.Millisecond)
}

// shards are shards with and without a lease.
func shards() []*fanoutv1.Shard {
	lease := durationpb.New(time.Second)
	return []*fanoutv1.Shard{
		nil,
		{RunId: "r", ShardId: "s", Concurrency: 3, Grants: []*fanoutv1.Grant{{FirstSlot: 0, Stride: 2, Count: 2}, {FirstSlot: 1, Stride: 1, Count: 1}}},
		{RunId: "r", ShardId: "s", Concurrency: 3, Grants: []*fanoutv1.Grant{{FirstSlot: 0, Stride: 1}}, StartClockNanos: 1},
		{RunId: "r", ShardId: "s", Grants: []*fanoutv1.Grant{{FirstSlot: math.MaxInt64, Stride: math.MaxInt64, Count: math.MaxInt64}}},
		{RunId: "r", ShardId: "s", Grants: []*fanoutv1.Grant{{FirstSlot: 1, Stride: 1, Count: 1}}, StartClockNanos: math.MaxInt64, InstanceId: "other"},
		{RunId: "r", ShardId: "s", Concurrency: 2, LeaseDuration: lease, Epoch: 3},
		{RunId: "r", ShardId: "s", Concurrency: 2, LeaseDuration: lease, LeaseId: "none", Epoch: math.MaxInt64},
		{RunId: "r", ShardId: "s", LeaseDuration: &durationpb.Duration{Seconds: math.MinInt64, Nanos: math.MaxInt32}, Epoch: -1},
	}
}

// renewals are renewals of a lease that the harness fills in.
func renewals() []*fanoutv1.RenewLeaseRequest {
	return []*fanoutv1.RenewLeaseRequest{
		{},
		{StartClockNanos: 1, Grants: []*fanoutv1.Grant{{FirstSlot: 0, Stride: 1, Count: 5}}},
		{StartClockNanos: 1, Grants: []*fanoutv1.Grant{{FirstSlot: 5, Stride: 2, Count: 5}, {FirstSlot: 6, Stride: 2, Count: 5}}, GrantedBefore: 5, LastGrant: true},
		{Epoch: 9, AckedSecond: math.MaxInt64, Changes: []*fanoutv1.LoadChange{{Concurrency: math.MaxInt64}, {Offset: milliseconds(20), Concurrency: 1}}},
		{Epoch: 3, GrantedBefore: math.MaxInt64, ChangesBefore: 1},
		{Grants: []*fanoutv1.Grant{{FirstSlot: 0, Stride: 1, Count: 1 << 59}}},
		{Grants: []*fanoutv1.Grant{{FirstSlot: math.MaxInt64, Stride: math.MaxInt64, Count: 2}, {FirstSlot: -1, Stride: 0, Count: 0}}, LastGrant: true},
		{StartClockNanos: math.MaxInt64, Grants: []*fanoutv1.Grant{{FirstSlot: 3, Stride: 1, Count: 1}}},
		{Stop: true, Release: true},
	}
}
