package wire

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/run"
	"github.com/fanout-load/fanout/services/internal/tally"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func snapshotWithAll() *tally.Snapshot {
	latency := tally.Latency{Stats: histogram.Stats{Count: 1, Sum: 5, Min: 5, Max: 5}, P50: 5, Buckets: []byte("b")}
	return &tally.Snapshot{
		Counts:  tally.Counts{Planned: 1, Responses: 1},
		Service: latency,
		Groups:  map[string]*tally.Snapshot{"g": {Response: latency}},
		Seconds: []tally.Second{{Second: 1, Tally: &tally.Snapshot{}, Complete: true}},
		Lost:    3,
	}
}

func TestRunViews(t *testing.T) {
	t.Parallel()
	pb := minimalPlan()
	pb.Requests[0].Body = &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: "body"}}
	p, _ := ParsePlan(pb, plan.DefaultCaps())
	spread, offset := 5*time.Millisecond, -2*time.Millisecond
	r := &run.Run{
		ID: "id", Name: "name", Creator: "ann", Labels: map[string]string{"k": "v"}, Plan: p,
		State: run.Ended, Verdict: run.Failed, Reason: "because", OnWorkerLoss: run.Continue, StartSpread: &spread,
		Created: time.Unix(1, 2), Ended: time.Unix(3, 4),
		Tally: snapshotWithAll(),
		Workers: []run.WorkerResult{
			{Address: "a:1", InstanceID: "i", Tally: snapshotWithAll(), Failure: &run.Failure{Class: run.Lost, Message: "gone"}},
			{Address: "b:2", StartOffset: &offset, Effort: &run.Effort{GrantWait: 3, StartLateness: 4}},
		},
	}

	want := *r
	want.Plan = p.Shown()
	want.Tally = snapshotWithAll()
	want.Tally.Seconds = nil
	want.Workers = slices.Clone(r.Workers)
	want.Workers[1].Tally = &tally.Snapshot{}
	plain := snapshotWithAll()
	plain.Groups, plain.Seconds, plain.Service.Buckets = nil, nil, nil
	want.Workers[0].Tally = plain
	if diff := cmp.Diff(&want, Run(roundTrip(t, RunProto(r, true)))); diff != "" {
		t.Errorf("the full view, -want +got:\n%s", diff)
	}

	want.Plan, _ = ParsePlan(minimalPlan(), plan.DefaultCaps())
	want.Tally.Service.Buckets, want.Tally.Groups["g"].Response.Buckets = nil, nil
	if diff := cmp.Diff(&want, Run(roundTrip(t, RunProto(r, false)))); diff != "" {
		t.Errorf("the basic view, -want +got:\n%s", diff)
	}
	if r.Plan.Requests[0].Body == nil || r.Tally.Service.Buckets == nil {
		t.Error("the basic view took something from the run itself")
	}
}

func TestRunView(t *testing.T) {
	t.Parallel()
	for view, want := range map[fanoutv1.RunView]bool{
		fanoutv1.RunView_RUN_VIEW_UNSPECIFIED: false,
		fanoutv1.RunView_RUN_VIEW_BASIC:       false,
		fanoutv1.RunView_RUN_VIEW_FULL:        true,
		99:                                    false,
	} {
		if got := RunView(view); got != want {
			t.Errorf("RunView(%v) = %v, want %v", view, got, want)
		}
	}
}

func TestHostileRuns(t *testing.T) {
	t.Parallel()
	got := Run(&fanoutv1.Run{
		Plan:       &fanoutv1.Plan{},
		CreateTime: &timestamppb.Timestamp{Seconds: math.MaxInt64},
		StartTime:  &timestamppb.Timestamp{Nanos: -1},
		Workers: []*fanoutv1.WorkerResult{nil, {
			StartOffset: &durationpb.Duration{Seconds: 1, Nanos: -1},
			Effort:      &fanoutv1.Effort{CpuShare: math.NaN(), HeldBackCount: -1, CappedCount: 5, GrantWaitDuration: durationpb.New(-1)},
		}},
		StartSpreadDuration: &durationpb.Duration{Seconds: math.MaxInt64},
	})
	want := &run.Run{Tally: &tally.Snapshot{}, Workers: []run.WorkerResult{
		{Tally: &tally.Snapshot{}}, {Tally: &tally.Snapshot{}, Effort: &run.Effort{}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Run, -want +got:\n%s", diff)
	}
	if RunProto(nil, true) != nil || Run(nil) != nil || FailureProto(nil) != nil || Failure(nil) != nil {
		t.Error("something was made of nil")
	}
	for _, tt := range []struct {
		offset *durationpb.Duration
		want   int64
	}{
		{nil, 0},
		{&durationpb.Duration{Seconds: -1}, 0},
		{&durationpb.Duration{Seconds: math.MaxInt64}, math.MaxInt64 / int64(time.Second)},
	} {
		if got := Interval(&fanoutv1.RunInterval{StartOffset: tt.offset}); got.Second != tt.want || got.Tally == nil {
			t.Errorf("Interval at %v = %+v, want second %d and a tally", tt.offset, got, tt.want)
		}
	}
}

// The key of a client certificate goes to workers, and into no view of a run. Whoever looks at one reads the plan all the same.
func TestNoViewHasTheKey(t *testing.T) {
	t.Parallel()
	cert, key := certificate()
	pb := minimalPlan()
	pb.Http = &fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{CertPem: cert, KeyPem: key}}
	p, violations := ParsePlan(pb, plan.DefaultCaps())
	if violations != nil {
		t.Fatalf("ParsePlan() = %q", violations)
	}
	if got := PlanProto(p).GetHttp().GetTls().GetKeyPem(); got != key {
		t.Errorf("the plan for a worker has a key of %d bytes, want that of %d", len(got), len(key))
	}
	for _, full := range []bool{false, true} {
		view := RunProto(&run.Run{Plan: p}, full)
		if tls := view.GetPlan().GetHttp().GetTls(); tls.GetKeyPem() != "" || tls.GetCertPem() != cert {
			t.Errorf("the view (full: %v) has a key of %d bytes and a certificate of %d, want none and %d",
				full, len(tls.GetKeyPem()), len(tls.GetCertPem()), len(cert))
		}
		if seen := Run(view).Plan; seen == nil || seen.HTTP.TLS != (plan.TLSOptions{CertPEM: cert}) {
			t.Errorf("the plan that is seen is %v, want one with the certificate alone", seen)
		}
	}
	if p.HTTP.TLS.KeyPEM != plan.Secret(key) {
		t.Error("looking at the run took the key out of its plan")
	}
}

// A plan is read whatever the caps of those who took it.
func TestPlanOfARunBeyondOurCaps(t *testing.T) {
	t.Parallel()
	grace := 100 * time.Hour
	p := &plan.Plan{
		Requests: []plan.Request{{URL: "http://x/", Method: "GET", Weight: 1, Timeout: 100 * time.Hour, Body: make([]byte, 5<<20)}},
		Load:     plan.Load{Grace: &grace, OpenLoop: &plan.OpenLoop{Stages: []plan.Stage{{Rate: 1e9, Duration: 1000 * time.Hour}}}},
		HTTP:     plan.HTTPOptions{Timeout: 1, DialTimeout: 1, TLSTimeout: 1, Engine: plan.EngineHTTP1},
		Outcomes: plan.OutcomeOptions{Detail: plan.DetailEvery},
	}
	got := Run(RunProto(&run.Run{Plan: p}, true)).Plan
	if diff := cmp.Diff(p.Shown(), got); diff != "" {
		t.Errorf("plan, -want +got:\n%s", diff)
	}
}

// What is shown of a plan, and kept of it when its run is over, is read again, whatever it was.
func TestShownPlansAreAccepted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t)
		for i := range p.Requests {
			if rapid.Bool().Draw(t, "secrets") {
				p.Requests[i].URL = rapid.SampledFrom([]string{"http://u:p@x?a=b#c", "https://u@[::1]:1/a?b", "http://b\u00fccher.example/?#"}).Draw(t, "url")
				p.Requests[i].Headers = append(p.Requests[i].Headers, plan.Header{Name: "Host", Value: "h:1"}, plan.Header{Name: "a", Value: "b${env:C}"})
			}
		}
		if got := Run(RunProto(&run.Run{Plan: p}, true)).Plan; got == nil || cmp.Diff(p.Shown(), got) != "" {
			t.Errorf("the plan of a full view, -want +got:\n%s", cmp.Diff(p.Shown(), got))
		}
		encoded, err := EncodeNewRun(&run.NewRun{Plan: p}, false)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := DecodeNewRun(encoded)
		if err != nil || cmp.Diff(p.Shown(), kept.Plan) != "" {
			t.Errorf("the plan of a run that is over = %v, -want +got:\n%s", err, cmp.Diff(p.Shown(), kept.Plan))
		}
	})
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	want := run.Interval{Second: 5, Tally: snapshotWithAll(), PlannedRate: 0.5}
	got := Interval(roundTrip(t, IntervalProto(want)))
	want.Tally.Seconds, want.Tally.Service.Buckets, want.Tally.Groups["g"].Response.Buckets = nil, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Interval(IntervalProto), -want +got:\n%s", diff)
	}
}

// Texts about errors may quote anything.
func TestRunProtoMarshals(t *testing.T) {
	t.Parallel()
	got := roundTrip(t, RunProto(&run.Run{
		ID: "\xff", Name: "\xff", Labels: map[string]string{"\xff": "\xff"}, Reason: "\xff",
		Workers: []run.WorkerResult{{Address: "\xff", InstanceID: "\xff", Failure: &run.Failure{Message: "\xff"}}},
	}, false))
	const u = "\uFFFD"
	want := &fanoutv1.Run{
		Id: u, Name: u, Labels: map[string]string{u: u}, VerdictReason: u,
		Workers: []*fanoutv1.WorkerResult{{Address: u, InstanceId: u, Failure: &fanoutv1.WorkerFailure{Message: u}}},
	}
	if !proto.Equal(got, want) {
		t.Errorf("RunProto = %v, want %v", got, want)
	}
}

// What a run says of its workers' starts and of what they had to do arrives as it was said; what is not known stays so.
func TestWorkerRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := &run.Run{
			Tally: &tally.Snapshot{}, OnWorkerLoss: rapid.SampledFrom(append(run.OnWorkerLosses(), 0)).Draw(t, "on_worker_loss"),
			StartSpread: drawSpan(t, "start_spread", 0),
		}
		for range rapid.IntRange(0, 3).Draw(t, "workers") {
			w := run.WorkerResult{
				Address: rapid.String().Draw(t, "address"), InstanceID: rapid.String().Draw(t, "instance"),
				Tally: &tally.Snapshot{}, StartOffset: drawSpan(t, "start_offset", -time.Hour),
			}
			if rapid.Bool().Draw(t, "has effort") {
				w.Effort = drawEffort(t)
			}
			want.Workers = append(want.Workers, w)
		}
		for _, full := range []bool{false, true} {
			if diff := cmp.Diff(want, Run(roundTrip(t, RunProto(want, full)))); diff != "" {
				t.Fatalf("Run(RunProto(r, %v)), -want +got:\n%s", full, diff)
			}
		}
	})
}

// drawSpan is a length of time that may not be known.
func drawSpan(t *rapid.T, label string, least time.Duration) *time.Duration {
	if oneIn(t, 3, label+" unknown") {
		return nil
	}
	d := drawDuration(t, label, least)
	return &d
}

func drawEffort(t *rapid.T) *run.Effort {
	e := &run.Effort{
		CPUShare: rapid.Float64Range(0, 1).Draw(t, "cpu_share"), Senders: rapid.Int64Min(0).Draw(t, "senders"),
		HeldBack:  rapid.Int64Min(0).Draw(t, "held_back"),
		GrantWait: drawDuration(t, "grant_wait", 0), StartLateness: drawDuration(t, "start_lateness", 0),
	}
	e.Capped = rapid.Int64Range(0, e.HeldBack).Draw(t, "capped")
	return e
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, want := range []run.Check{{}, {Name: "closure", OK: true, Detail: "10 = 9 + 1"}, {Name: "seconds", Detail: "9 of 10"}} {
		if got := Check(roundTrip(t, CheckProto(want))); got != want {
			t.Errorf("Check(CheckProto(%+v)) = %+v, want it unchanged", want, got)
		}
	}
	if got := roundTrip(t, CheckProto(run.Check{Name: "\xff", Detail: "\xff"})); got.GetName() != "\uFFFD" || got.GetDetail() != "\uFFFD" {
		t.Errorf("CheckProto = %v, want it to marshal", got)
	}
	if got := Check(nil); got != (run.Check{}) {
		t.Errorf("Check(nil) = %+v, want none that holds", got)
	}
}

func TestCaps(t *testing.T) {
	t.Parallel()
	want := plan.DefaultCaps()
	if got := Caps(roundTrip(t, CapsProto(want))); got != want {
		t.Errorf("Caps(CapsProto(%+v)) = %+v", want, got)
	}
	if got := Caps(nil); got != (plan.Caps{}) {
		t.Errorf("Caps(nil) = %+v, want none", got)
	}
}
