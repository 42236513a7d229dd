package wire

import (
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// PlanProto is the message that says p, which need not have its defaults: what is zero is absent. ParsePlan of the message
// of a filled plan is that plan. Strings of p have to be UTF-8, as ParsePlan checks: a message with others does not
// marshal.
func PlanProto(p *plan.Plan) *fanoutv1.Plan {
	if p == nil {
		return nil
	}
	pb := &fanoutv1.Plan{
		Load:     loadProto(p.Load),
		Http:     httpProto(p.HTTP),
		Outcomes: outcomeOptionsProto(p.Outcomes),
	}
	for i := range p.Requests {
		pb.Requests = append(pb.Requests, requestProto(&p.Requests[i]))
	}
	return pb
}

func requestProto(r *plan.Request) *fanoutv1.Request {
	pb := &fanoutv1.Request{
		Url:     r.URL,
		Method:  r.Method,
		Body:    requestBodyProto(r.Body),
		Weight:  clamp32(r.Weight),
		Timeout: durationProto(r.Timeout),
		Group:   r.Group,
	}
	for _, h := range r.Headers {
		pb.Headers = append(pb.Headers, &fanoutv1.Header{Name: h.Name, Value: string(h.Value)})
	}
	return pb
}

func requestBodyProto(body []byte) *fanoutv1.Body {
	switch {
	case len(body) == 0:
		return nil
	case utf8.Valid(body):
		return &fanoutv1.Body{Content: &fanoutv1.Body_Text{Text: string(body)}}
	default:
		return &fanoutv1.Body{Content: &fanoutv1.Body_Data{Data: body}}
	}
}

// loadProto leaves requests absent where they are: whether each request is sent once, in order, depends on it.
func loadProto(l plan.Load) *fanoutv1.Load {
	if l.Requests == 0 && l.Duration == 0 && l.Grace == nil && l.ClosedLoop == nil && l.OpenLoop == nil {
		return nil
	}
	pb := &fanoutv1.Load{Requests: l.Requests, Duration: durationProto(l.Duration)}
	if l.Grace != nil {
		pb.GraceDuration = durationpb.New(*l.Grace) // 0 is given, too
	}
	switch {
	case l.ClosedLoop != nil:
		pb.Shape = &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: l.ClosedLoop.Concurrency}}
	case l.OpenLoop != nil:
		pb.Shape = &fanoutv1.Load_OpenLoop{OpenLoop: openLoopProto(l.OpenLoop)}
	}
	return pb
}

func openLoopProto(l *plan.OpenLoop) *fanoutv1.OpenLoop {
	pb := &fanoutv1.OpenLoop{MaxConcurrency: l.MaxConcurrency, MaxLateness: durationProto(l.MaxLateness)}
	for _, s := range l.Stages {
		pb.Stages = append(pb.Stages, &fanoutv1.Stage{
			RatePerSecond: s.Rate, EndRatePerSecond: s.EndRate, Duration: durationProto(s.Duration),
		})
	}
	if l.Poisson != nil {
		pb.Arrival = &fanoutv1.OpenLoop_Poisson{Poisson: &fanoutv1.Poisson{Seed: l.Poisson.Seed}}
	}
	return pb
}

func httpProto(h plan.HTTPOptions) *fanoutv1.HttpOptions {
	if reflect.ValueOf(h).IsZero() {
		return nil
	}
	pb := &fanoutv1.HttpOptions{
		Timeout:          durationProto(h.Timeout),
		DialTimeout:      durationProto(h.DialTimeout),
		TlsTimeout:       durationProto(h.TLSTimeout),
		FirstByteTimeout: durationProto(h.FirstByteTimeout),
		MaxRedirects:     clamp32(h.MaxRedirects),
		SlotHeader:       h.SlotHeader,

		RequestsPerConnection: clamp32(h.RequestsPerConnection),
		Engine:                fanoutv1.Engine(h.Engine),
		AllowedTargets:        h.AllowedTargets,
	}
	if h.TLS != (plan.TLSOptions{}) {
		pb.Tls = &fanoutv1.TlsOptions{
			InsecureSkipVerify: h.TLS.InsecureSkipVerify,
			ServerName:         h.TLS.ServerName,
			CaPem:              h.TLS.CAPEM,
			CertPem:            h.TLS.CertPEM,
			KeyPem:             string(h.TLS.KeyPEM),
		}
	}
	return pb
}

func outcomeOptionsProto(o plan.OutcomeOptions) *fanoutv1.OutcomeOptions {
	if o.Detail == 0 && o.BodyBytes == 0 && len(o.Headers) == 0 && o.SlowStream == 0 {
		return nil
	}
	pb := &fanoutv1.OutcomeOptions{
		Detail: fanoutv1.Detail(o.Detail), Headers: o.Headers, SlowStream: fanoutv1.SlowStream(o.SlowStream),
	}
	if o.BodyBytes != 0 {
		pb.Body = &fanoutv1.BodyOptions{MaxBytes: clamp32(o.BodyBytes)}
	}
	return pb
}

// durationProto is d; 0 is absent.
func durationProto(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

// clamp32 keeps a number that is too large for its field too large for its range, rather than making it another one.
func clamp32(n int) int32 {
	return int32(min(max(n, math.MinInt32), math.MaxInt32))
}
