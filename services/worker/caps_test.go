package worker_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/wire"
	"github.com/fanout-load/fanout/services/worker"
)

// lowCaps are caps that requests can go beyond easily.
func lowCaps() plan.Caps {
	return plan.Caps{
		Calls: 2, Senders: 10, Slots: 100, Rate: 50, Duration: time.Minute, Requests: 5, PlanBytes: 10_000, HeadBytes: 2000,
		BodyBytes: 3000, URLBytes: 500, Redirects: 4, ResponseBytes: 1000, QueueBytes: 1 << 20,
	}
}

// A request beyond a cap is refused for good, with the field, the value, and the cap's owner, name and value. Nothing of it is sent.
func TestBeyondEachCap(t *testing.T) {
	t.Parallel()
	o := oracle(t)
	_, client := start(t, worker.Config{Caps: lowCaps()})
	url := o.URL() + "/ok"
	one := func(change func(*fanoutv1.Plan)) *fanoutv1.Plan {
		p := planOf(nil, url)
		change(p)
		return p
	}
	for _, tt := range []struct {
		name  string
		plan  *fanoutv1.Plan
		field string
		words []string
	}{
		{"senders", planOf(&fanoutv1.Load{Requests: 11}, url), "plan.load.requests", []string{"11 senders", "cap of 10 (max_sender_count)"}},
		{"senders of a closed loop", planOf(closedLoop(50, 11), url), "plan.load.closed_loop.concurrency", []string{"11 senders", "cap of 10 (max_sender_count)"}},
		{"senders of an open loop", one(func(p *fanoutv1.Plan) {
			p.Load = openLoop(10)
			p.Load.Requests, p.Load.GetOpenLoop().MaxConcurrency = 10, 11
		}), "plan.load.open_loop.max_concurrency", []string{"11 senders", "cap of 10 (max_sender_count)"}},
		{"slots", planOf(closedLoop(101, 1), url), "plan.load.requests", []string{"101", "cap of 100 (max_slot_count)"}},
		{"slots by rate and duration", one(func(p *fanoutv1.Plan) {
			p.Load = openLoop(50)
			p.Load.Duration = durationpb.New(3 * time.Second)
		}), "plan.load.open_loop.stages[0].rate_per_second", []string{"150 slots", "cap of 100 (max_slot_count)"}},
		{"rate", one(func(p *fanoutv1.Plan) { p.Load = openLoop(51) }), "plan.load.open_loop.stages[0].rate_per_second", []string{"51", "cap of 50 (max_rate_per_second)"}},
		{"duration", one(func(p *fanoutv1.Plan) {
			p.Load = closedLoop(1, 1)
			p.Load.Duration = durationpb.New(61 * time.Second)
		}), "plan.load.duration", []string{"1m1s", "cap of 1m (max_duration)"}},
		{"grace", one(func(p *fanoutv1.Plan) { p.Load = &fanoutv1.Load{GraceDuration: durationpb.New(61 * time.Second)} }), "plan.load.grace_duration", []string{"1m1s", "cap of 1m (max_duration)"}},
		{"timeout", one(func(p *fanoutv1.Plan) { p.Http.Timeout = durationpb.New(time.Hour) }), "plan.http.timeout", []string{"1h", "cap of 1m (max_duration)"}},
		{"requests", planOf(nil, url, url, url, url, url, url), "plan.requests", []string{"6", "cap of 5 (max_request_count)"}},
		{"plan", one(func(p *fanoutv1.Plan) {
			for range 4 {
				p.Requests = append(p.Requests, &fanoutv1.Request{Url: url, Body: bodyOf(3000)})
			}
		}), "plan", []string{"12", "cap of 10000 (max_plan_bytes)"}},
		{"head", one(func(p *fanoutv1.Plan) {
			p.Requests[0].Headers = []*fanoutv1.Header{{Name: "X", Value: strings.Repeat("v", 2000)}}
		}), "plan.requests[0].headers", []string{"2005 bytes", "cap of 2000 (max_head_bytes)"}},
		{"body", one(func(p *fanoutv1.Plan) { p.Requests[0].Body = bodyOf(3001) }), "plan.requests[0].body", []string{"3001 bytes", "cap of 3000 (max_body_bytes)"}},
		{"returned body", one(func(p *fanoutv1.Plan) {
			p.Outcomes = &fanoutv1.OutcomeOptions{Body: &fanoutv1.BodyOptions{MaxBytes: 3001}}
		}), "plan.outcomes.body.max_bytes", []string{"3001", "cap of 3000 (max_body_bytes)"}},
		{"URL", planOf(nil, url+strings.Repeat("x", 500)), "plan.requests[0].url", []string{"bytes", "cap of 500 (max_url_bytes)"}},
		{"redirects", one(func(p *fanoutv1.Plan) { p.Http.MaxRedirects = 5 }), "plan.http.max_redirects", []string{"5", "cap of 4 (max_redirect_count)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: tt.plan})
			wantCode(t, "FanOut beyond the cap on "+tt.name, a.err, codes.InvalidArgument)
			said := described(a.err, tt.field)
			for _, want := range append(tt.words, "the worker's cap of ") {
				if !strings.Contains(said, want) {
					t.Errorf("FanOut = %v, with %q on %s, want %q in it", a.err, said, tt.field, want)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := o.Ledger().Total(); n != 0 {
			t.Errorf("the target saw %d requests, want none", n)
		}
	})
}

func bodyOf(size int) *fanoutv1.Body {
	return &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: strings.Repeat("b", size)}}
}

// described is what an error says of a field.
func described(err error, field string) string {
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				if v.GetField() == field {
					return v.GetDescription()
				}
			}
		}
	}
	return ""
}

// What there is only no room for now is RESOURCE_EXHAUSTED with the cap, and when to come back.
func TestFull(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		taken, more int64 // all at once
		words       []string
	}{
		{"calls", 1, 1, []string{"2 of 2 calls (max_call_count)", "needs 1"}},
		{"senders", 4, 3, []string{"8 of 10 senders (max_sender_count)", "needs 3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := oracle(t)
			caps := lowCaps()
			if tt.name != "calls" {
				caps.Calls = 3
			}
			_, client := start(t, worker.Config{Caps: caps})
			for range 2 {
				stream, err := client.FanOut(t.Context(), &fanoutv1.FanOutRequest{Plan: planOf(&fanoutv1.Load{Requests: tt.taken}, o.URL()+"/stall")})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := stream.Recv(); err != nil {
					t.Fatal(err)
				}
			}
			a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(&fanoutv1.Load{Requests: tt.more}, o.URL()+"/ok")})
			wantFull(t, a.err, tt.words...)
		})
	}
}

// wantFull checks that err is RESOURCE_EXHAUSTED, with all that a caller needs.
func wantFull(t *testing.T, err error, words ...string) {
	t.Helper()
	wantCode(t, "FanOut on a full worker", err, codes.ResourceExhausted)
	var quota, retry bool
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.QuotaFailure:
			quota = len(detail.GetViolations()) == 1 && detail.GetViolations()[0].GetSubject() == "worker"
		case *errdetails.RetryInfo:
			retry = detail.GetRetryDelay().AsDuration() > 0
		}
	}
	if !quota || !retry {
		t.Errorf("FanOut = %v, with QuotaFailure %v, RetryInfo %v, want both", err, quota, retry)
	}
	for _, want := range words {
		if !strings.Contains(status.Convert(err).Message(), want) {
			t.Errorf("FanOut = %v, want %q in it", err, want)
		}
	}
}

// GetWorker tells every cap.
func TestCapsAreTold(t *testing.T) {
	t.Parallel()
	caps := lowCaps()
	caps.Memory = 1 << 40
	_, client := start(t, worker.Config{Caps: caps})
	who, err := client.GetWorker(t.Context(), &fanoutv1.GetWorkerRequest{})
	if got := wire.Caps(who.GetCaps()); err != nil || got != caps {
		t.Errorf("GetWorker() = %+v, %v, want %+v", got, err, caps)
	}
	o := oracle(t)
	a := fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/bytes/2000")})
	if got := wire.Caps(a.started.GetCaps()); got != caps {
		t.Errorf("started has caps %+v, want %+v", got, caps)
	}
	if got := a.outcomes[0]; got.GetError() != fanoutv1.ErrorClass_ERROR_CLASS_BODY_TOO_LARGE || !strings.Contains(got.GetErrorMessage(), "cap of 1000 bytes (max_response_bytes)") {
		t.Errorf("a response beyond the cap = %v, want BODY_TOO_LARGE and the cap", got)
	}
}

// A default that is beyond a cap is the cap: what a worker refuses nobody has asked for.
func TestDefaultsAreWithinCaps(t *testing.T) {
	t.Parallel()
	caps := lowCaps()
	caps.Duration = time.Second
	o := oracle(t)
	_, client := start(t, worker.Config{Caps: caps})
	fanOut(t, t.Context(), client, &fanoutv1.FanOutRequest{Plan: planOf(nil, o.URL()+"/ok")}).check(t, 1)
}
