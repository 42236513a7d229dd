package wire

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// What an absent field means, row by row of the design's table.
func TestAbsentFields(t *testing.T) {
	t.Parallel()
	longest := 30 * time.Second
	want := &plan.Plan{
		Requests: []plan.Request{{URL: "http://target.example/", Method: "GET", Weight: 1, Timeout: 30 * time.Second}},
		Load:     plan.Load{Grace: &longest},
		HTTP: plan.HTTPOptions{
			Timeout: 30 * time.Second, DialTimeout: 10 * time.Second, TLSTimeout: 10 * time.Second, Engine: plan.EngineHTTP1,
		},
		Outcomes: plan.OutcomeOptions{Detail: plan.DetailEvery},
	}
	closed := &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: 3}}
	open := func(stage *fanoutv1.Stage) *fanoutv1.Load_OpenLoop {
		return &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{Stages: []*fanoutv1.Stage{stage}}}
	}
	for _, tt := range []struct {
		name   string
		change func(*fanoutv1.Plan)
		want   func(*plan.Plan)
		ends   bool // by number or time; if not, each request is sent once
	}{
		{"everything: each request once, all at once", func(*fanoutv1.Plan) {}, func(*plan.Plan) {}, false},
		{
			"empty messages are absent ones",
			func(pb *fanoutv1.Plan) {
				pb.Load, pb.Http, pb.Outcomes = &fanoutv1.Load{}, &fanoutv1.HttpOptions{Tls: &fanoutv1.TlsOptions{}}, &fanoutv1.OutcomeOptions{}
				pb.Requests[0].Body = &fanoutv1.Body{}
			},
			func(*plan.Plan) {},
			false,
		},
		{
			"requests and duration, in a closed loop: each once",
			func(pb *fanoutv1.Plan) { pb.Load = &fanoutv1.Load{Shape: closed} },
			func(p *plan.Plan) { p.Load.ClosedLoop = &plan.ClosedLoop{Concurrency: 3} },
			false,
		},
		{
			"requests and all durations, in an open loop: each once",
			func(pb *fanoutv1.Plan) { pb.Load = &fanoutv1.Load{Shape: open(&fanoutv1.Stage{RatePerSecond: 5})} },
			func(p *plan.Plan) { p.Load.OpenLoop = &plan.OpenLoop{Stages: []plan.Stage{{Rate: 5}}} },
			false,
		},
		{
			"duration, with one in the stage: the stage's is the end",
			func(pb *fanoutv1.Plan) {
				pb.Load = &fanoutv1.Load{Shape: open(&fanoutv1.Stage{RatePerSecond: 5, Duration: durationpb.New(time.Minute)})}
			},
			func(p *plan.Plan) {
				p.Load.OpenLoop = &plan.OpenLoop{Stages: []plan.Stage{{Rate: 5, Duration: time.Minute}}}
			},
			true,
		},
		{
			"arrival: uniform; max_lateness 0: none",
			func(pb *fanoutv1.Plan) {
				pb.Load = &fanoutv1.Load{Shape: open(&fanoutv1.Stage{RatePerSecond: 5})}
				pb.GetLoad().GetOpenLoop().Arrival = &fanoutv1.OpenLoop_Uniform{}
				pb.GetLoad().GetOpenLoop().MaxLateness = durationpb.New(0)
			},
			func(p *plan.Plan) { p.Load.OpenLoop = &plan.OpenLoop{Stages: []plan.Stage{{Rate: 5}}} },
			false,
		},
		{
			"requests' timeout: the plan's, which is the grace as well",
			func(pb *fanoutv1.Plan) { pb.Http = &fanoutv1.HttpOptions{Timeout: durationpb.New(time.Second)} },
			func(p *plan.Plan) {
				p.HTTP.Timeout, p.Requests[0].Timeout = time.Second, time.Second
				*p.Load.Grace = time.Second
			},
			false,
		},
		{
			"grace: the longest timeout, not the plan's",
			func(pb *fanoutv1.Plan) { pb.Requests[0].Timeout = durationpb.New(time.Hour) },
			func(p *plan.Plan) { p.Requests[0].Timeout, *p.Load.Grace = time.Hour, time.Hour },
			false,
		},
		{
			"not the grace: 0 is given",
			func(pb *fanoutv1.Plan) { pb.Load = &fanoutv1.Load{GraceDuration: durationpb.New(0)} },
			func(p *plan.Plan) { *p.Load.Grace = 0 },
			false,
		},
		{
			"a body's bytes, in body options: 64 KiB",
			func(pb *fanoutv1.Plan) { pb.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{}} },
			func(p *plan.Plan) { p.Outcomes.BodyBytes = 65_536 },
			false,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pb := minimalPlan()
			tt.change(pb)
			got, violations := ParsePlan(pb, plan.DefaultCaps())
			want := clone(want)
			tt.want(want)
			if diff := cmp.Diff(want, got); diff != "" || violations != nil {
				t.Errorf("ParsePlan = violations %q and, -want +got:\n%s", violations, diff)
			}
			if once := got.Load.Once(); once == tt.ends {
				t.Errorf("Once() = %v, want %v", once, !tt.ends)
			}
		})
	}
}

func clone(p *plan.Plan) *plan.Plan {
	c := *p
	c.Requests = slices.Clone(p.Requests)
	grace := *p.Load.Grace
	c.Load.Grace = &grace
	return &c
}

// Everything given is kept as it is given, but for the names of outcome headers.
func TestEveryFieldIsKept(t *testing.T) {
	t.Parallel()
	ca, key := certificate()
	pb := &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{
			Url:     "HTTPS://user:secret@[::1]:8443/a%20b?q=ü#part",
			Method:  "m-SEARCH",
			Headers: []*fanoutv1.Header{{Name: "x-b", Value: " 2 "}, {Name: "HOST", Value: "other.example:80"}, {Name: "x-b", Value: ""}},
			Body:    &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: []byte{0, 255}}},
			Weight:  7,
			Timeout: durationpb.New(time.Nanosecond),
			Group:   "größe",
		}},
		Load: &fanoutv1.Load{
			Requests: 5, Duration: durationpb.New(24 * time.Hour), GraceDuration: durationpb.New(time.Minute),
			Shape: &fanoutv1.Load_OpenLoop{OpenLoop: &fanoutv1.OpenLoop{
				Stages: []*fanoutv1.Stage{
					rampProto(1e6, 0, time.Hour), stageProto(0, time.Second), rampProto(7, 7, time.Second), stageProto(0.5, 0),
				},
				MaxConcurrency: 9, Arrival: random(-3), MaxLateness: durationpb.New(time.Millisecond),
			}},
		},
		Http: &fanoutv1.HttpOptions{
			Timeout: durationpb.New(1), DialTimeout: durationpb.New(2), TlsTimeout: durationpb.New(3),
			FirstByteTimeout: durationpb.New(4), MaxRedirects: 50, SlotHeader: true,
			Tls: &fanoutv1.TlsOptions{InsecureSkipVerify: true, ServerName: "name.example", CaPem: ca, CertPem: ca, KeyPem: key},

			RequestsPerConnection: 7, Engine: fanoutv1.Engine_ENGINE_STD,
			AllowedTargets: []string{"*.Example.Internal.:443", "[FD00::/8]:1-2", "::ffff:10.0.0.1", "bücher.example"},
		},
		Outcomes: &fanoutv1.OutcomeOptions{
			Detail: fanoutv1.Detail_DETAIL_EVERY, Body: &fanoutv1.BodyOptions{MaxBytes: 1 << 20}, Headers: []string{"etag", "*", "X-REQUEST-id"},
			SlowStream: fanoutv1.SlowStream_SLOW_STREAM_WAIT,
		},
	}
	grace, seven := time.Minute, 7.0
	want := &plan.Plan{
		Requests: []plan.Request{{
			URL: "HTTPS://user:secret@[::1]:8443/a%20b?q=ü#part", Method: "m-SEARCH",
			Headers: []plan.Header{{Name: "x-b", Value: " 2 "}, {Name: "HOST", Value: "other.example:80"}, {Name: "x-b"}},
			Body:    []byte{0, 255}, Weight: 7, Timeout: 1, Group: "größe",
		}},
		Load: plan.Load{
			Requests: 5, Duration: 24 * time.Hour, Grace: &grace,
			OpenLoop: &plan.OpenLoop{
				Stages: []plan.Stage{
					{Rate: 1e6, EndRate: new(float64), Duration: time.Hour},
					{Duration: time.Second},
					{Rate: 7, EndRate: &seven, Duration: time.Second},
					{Rate: 0.5},
				},
				MaxConcurrency: 9, Poisson: &plan.Poisson{Seed: -3}, MaxLateness: time.Millisecond,
			},
		},
		HTTP: plan.HTTPOptions{
			Timeout: 1, DialTimeout: 2, TLSTimeout: 3, FirstByteTimeout: 4, MaxRedirects: 50, SlotHeader: true,
			TLS: plan.TLSOptions{InsecureSkipVerify: true, ServerName: "name.example", CAPEM: ca, CertPEM: ca, KeyPEM: plan.Secret(key)},

			RequestsPerConnection: 7, Engine: plan.EngineStd,
			AllowedTargets: []string{".example.internal:443", "[fd00::/8]:1-2", "10.0.0.1", "xn--bcher-kva.example"},
		},
		Outcomes: plan.OutcomeOptions{
			Detail: plan.DetailEvery, BodyBytes: 1 << 20, Headers: []string{"Etag", "*", "X-Request-Id"}, SlowStream: plan.SlowStreamWait,
		},
	}
	got, violations := ParsePlan(pb, plan.DefaultCaps())
	if diff := cmp.Diff(want, got); diff != "" || violations != nil {
		t.Errorf("ParsePlan = violations %q and, -want +got:\n%s", violations, diff)
	}
}

func TestNoPlan(t *testing.T) {
	t.Parallel()
	_, got := ParsePlan(nil, plan.DefaultCaps())
	wantViolations(t, got, Violation{"plan", "required"})
}

// Whatever is wrong comes at once, in the order of the fields.
func TestAllViolationsAtOnce(t *testing.T) {
	t.Parallel()
	_, got := ParsePlan(&fanoutv1.Plan{
		Requests: []*fanoutv1.Request{
			{
				Url: "ftp://x/", Method: "GET it", Weight: -1, Timeout: durationpb.New(0), Group: strings.Repeat("g", 65),
				Headers: []*fanoutv1.Header{{Name: "content-length", Value: "0"}, {Name: "X", Value: "a\r\nb"}},
				Body:    &fanoutv1.Body{Truncated: true},
			},
			nil,
		},
		Load: &fanoutv1.Load{
			Requests: -1, Duration: durationpb.New(-1), GraceDuration: durationpb.New(-1),
			Shape: &fanoutv1.Load_ClosedLoop{},
		},
		Http: &fanoutv1.HttpOptions{
			Timeout: durationpb.New(0), DialTimeout: durationpb.New(0), TlsTimeout: durationpb.New(0), FirstByteTimeout: durationpb.New(0),
			MaxRedirects: 51, Tls: &fanoutv1.TlsOptions{ServerName: "a b", CaPem: "x"},
		},
		Outcomes: &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: -1}, Headers: []string{"a b"}},
	}, plan.DefaultCaps())
	var fields []string
	for _, v := range got {
		fields = append(fields, v.Field)
	}
	want := []string{
		"plan.requests[0].url", "plan.requests[0].method", "plan.requests[0].headers[0].name", "plan.requests[0].headers[1].value",
		"plan.requests[0].body.truncated", "plan.requests[0].timeout", "plan.requests[0].group", "plan.requests[0].weight",
		"plan.requests[1].url",
		"plan.load.duration", "plan.load.requests", "plan.load.grace_duration", "plan.load.closed_loop.concurrency",
		"plan.http.max_redirects", "plan.http.timeout", "plan.http.dial_timeout", "plan.http.tls_timeout", "plan.http.first_byte_timeout",
		"plan.http.tls.server_name", "plan.http.tls.ca_pem",
		"plan.outcomes.body.max_bytes", "plan.outcomes.headers[0]",
	}
	slices.Sort(fields)
	slices.Sort(want)
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("violations of a plan of which everything is wrong, -want +got:\n%s", diff)
	}
	checkReadable(t, got)
}

// A plan of thousands of mistakes is answered with as many as a trailer takes, and with how many more there are.
func TestViolationsAreBounded(t *testing.T) {
	t.Parallel()
	pb := &fanoutv1.Plan{}
	for range 5000 {
		pb.Requests = append(pb.Requests, &fanoutv1.Request{Url: "\x00" + strings.Repeat("ü", 100)})
	}
	_, got := ParsePlan(pb, plan.DefaultCaps())
	bytes := 0
	for _, v := range got {
		bytes += len(v.Field) + len(v.Description)
	}
	last := got[len(got)-1]
	if bytes > maxViolationBytes+200 || len(got) < 10 || !strings.HasSuffix(last.Description, "more violations, from this field on, are not listed; correct these first") {
		t.Errorf("got %d violations of %d bytes, the last %q", len(got), bytes, last)
	}
	if listed := len(got) - 1; !strings.HasPrefix(last.Description, num(5000-listed)+" ") || last.Field != "plan.requests["+num(listed)+"].url" {
		t.Errorf("last of %d violations is %q", len(got), last)
	}
	checkReadable(t, got)
}

func TestPlanBytes(t *testing.T) {
	t.Parallel()
	caps := plan.DefaultCaps()
	pb := &fanoutv1.Plan{}
	for range 6 {
		pb.Requests = append(pb.Requests, &fanoutv1.Request{
			Url: "http://x/", Body: &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: strings.Repeat("x", 500_000)}},
		})
	}
	p, violations := ParsePlan(pb, caps)
	if violations != nil {
		t.Fatalf("ParsePlan of 3 MB = %q", violations)
	}

	// What is accepted can be passed on with its defaults, to a worker with the same caps.
	filled := int64(proto.Size(PlanProto(p)))
	if filled <= int64(proto.Size(pb)) {
		t.Fatalf("the filled plan has %d bytes, want more than %d", filled, proto.Size(pb))
	}
	caps.PlanBytes = filled
	if _, violations := ParsePlan(PlanProto(p), caps); violations != nil {
		t.Errorf("ParsePlan at the cap = %q", violations)
	}
	caps.PlanBytes--
	for _, pb := range []*fanoutv1.Plan{pb, PlanProto(p)} {
		_, violations := ParsePlan(pb, caps)
		wantViolations(t, violations, Violation{"plan", num(int(filled)) + " bytes encoded are beyond the worker's cap of " + num(int(caps.PlanBytes)) + " (max_plan_bytes);"})
	}
}
