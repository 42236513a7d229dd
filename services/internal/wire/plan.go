// Package wire turns the messages of fanout.v1 into the plain types of plan, schedule, outcome, tally and run, and back. It
// is the only place that parses: what it returns is checked and has its defaults, and nothing further in sees a message.
//
// It says everything that is wrong with a request at once, as violations; it chooses no status codes and knows no RPC.
// The services and the clients call it at their edges.
//
// Names that end in Proto make messages, the others read them. Both share byte slices and maps with what they are given,
// so neither side may be changed afterwards.
package wire

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// Timeouts of a plan that names none. Thirty seconds is longer than any answer that a person waits for; ten are enough for
// three lost SYNs, which are sent again after one, three and seven seconds.
const (
	defaultTimeout     = 30 * time.Second
	defaultDialTimeout = 10 * time.Second
	defaultTLSTimeout  = 10 * time.Second
)

// ParsePlan is the plan that pb says, with every default filled in, or all that is wrong with it. Only outcomes.slow_stream stays
// absent if it is: its default is the call's and not the plan's. Fields are named from "plan" on. Names and order of request
// headers stay as they are given.
//
// What it accepts it accepts again from PlanProto, within the same caps: so a coordinator can pass on what it took in.
func ParsePlan(pb *fanoutv1.Plan, caps plan.Caps) (*plan.Plan, []Violation) {
	c := &checker{caps: caps, whose: "worker"}
	return c.checked(pb)
}

func (c *checker) checked(pb *fanoutv1.Plan) (*plan.Plan, []Violation) {
	p := c.plan(pb)
	if found := c.violations(); found != nil {
		return nil, found
	}
	return p, nil
}

func (c *checker) plan(pb *fanoutv1.Plan) *plan.Plan {
	if pb == nil {
		c.addf("plan", "", "a plan is required; give one with at least one request")
		return nil
	}
	size := int64(proto.Size(pb))
	c.planSize(size)
	p := &plan.Plan{
		Requests: c.requests(pb.GetRequests()),
		Load:     c.load(pb.GetLoad()),
		HTTP:     c.http(pb.GetHttp()),
		Outcomes: c.outcomes(pb.GetOutcomes()),
	}
	if c.found != nil {
		return nil
	}
	c.fill(p)
	c.filledSize(size, p)
	return p
}

func (c *checker) planSize(size int64) {
	if size > c.caps.PlanBytes {
		c.addf("plan", "", "%d bytes encoded are beyond %s; send fewer or smaller requests", size, c.limit("max_plan_bytes", strconv.FormatInt(c.caps.PlanBytes, 10)))
	}
}

// filledSize checks the plan as PlanProto passes it on, where it has the fields that were filled in. Their bytes are a few
// per request, so only a plan that is close to the cap has to be encoded for it.
func (c *checker) filledSize(size int64, p *plan.Plan) {
	const (
		perRequest = 64 // method, weight and timeout are 20 bytes, and two longer length prefixes
		perPlan    = 256
		perTarget  = egress.MaxRuleBytes // a rule's usual form may be longer than what was written
	)
	if room := c.caps.PlanBytes - size; room < perPlan+perRequest*int64(len(p.Requests))+perTarget*int64(len(p.HTTP.AllowedTargets)) {
		c.planSize(int64(proto.Size(PlanProto(p))))
	}
}

// fill gives a checked plan its defaults.
func (c *checker) fill(p *plan.Plan) {
	h := &p.HTTP
	orDefault(&h.Timeout, min(defaultTimeout, c.caps.Duration))
	orDefault(&h.DialTimeout, min(defaultDialTimeout, c.caps.Duration))
	orDefault(&h.TLSTimeout, min(defaultTLSTimeout, c.caps.Duration))
	orDefault(&h.Engine, plan.EngineHTTP1)
	orDefault(&p.Outcomes.Detail, plan.DetailEvery)
	orDefault(&p.Outcomes.SlowStream, c.slow)
	for i := range p.Requests {
		r := &p.Requests[i]
		orDefault(&r.Method, "GET")
		orDefault(&r.Weight, 1)
		orDefault(&r.Timeout, h.Timeout)
	}
	if p.Load.Grace == nil {
		longest := p.LongestTimeout()
		p.Load.Grace = &longest
	}
}

func orDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

// text is s as a proto3 string can carry it. One that is not UTF-8 would fail to marshal, and end the stream it travels in.
func text(s string) string {
	return strings.ToValidUTF8(s, "\uFFFD") // s itself, without a copy, when it is valid
}
