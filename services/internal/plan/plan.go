// Package plan is what to send, when, how, and what comes back, with every default filled in. It is plain data: it knows no
// proto, no clock and no network. Package wire makes plans from messages and checks them; everything further in trusts them.
package plan

import (
	"slices"
	"time"
)

// Plan is one plan. It is not changed once it is made, and may be read by many goroutines.
type Plan struct {
	Requests []Request // at least one
	Load     Load
	HTTP     HTTPOptions
	Outcomes OutcomeOptions
}

// Request is one HTTP request of a plan.
type Request struct {
	URL       string // absolute, http or https
	Method    string
	Headers   []Header // in the order given
	Body      SecretBytes
	BodyBound bool          // the body has a secret of the worker's: no redirect to another origin is followed with it
	Weight    int           // 1 … MaxTotalWeight
	Timeout   time.Duration // sent to last byte; more than 0
	Group     string        // "" is no group
}

// Header is one header line. Its value, like a body, does not show when it is formatted: it may well be a secret.
type Header struct {
	Name  string
	Value Secret
	Bound bool // its value has a secret of the worker's: a redirect to another origin does not take it along
}

// MaxTotalWeight bounds the sum of a plan's weights: the block within which the mix of requests is exact.
const MaxTotalWeight = 10_000

// MaxAllowedTargets bounds the rules of a plan for its targets: each is looked at for every dial.
const MaxAllowedTargets = 64

// MaxGroups bounds the names of groups in a plan, since each is a tally of its own in every message that carries one.
const MaxGroups = 64

// Load says how many slots there are and when each is due. At most one of ClosedLoop and OpenLoop is set; with neither, all
// slots are due at once.
type Load struct {
	Requests   int64          // number of slots; 0 is not given
	Duration   time.Duration  // length of the load; 0 is not given
	Grace      *time.Duration // time after the load's end for what is in flight; nil is the longest timeout
	ClosedLoop *ClosedLoop
	OpenLoop   *OpenLoop
}

// ClosedLoop sends as fast as Concurrency senders can.
type ClosedLoop struct {
	Concurrency int64 // of the whole run, at least 1
}

// OpenLoop sends at a rate.
type OpenLoop struct {
	Stages         []Stage       // at least one
	MaxConcurrency int64         // of the whole run; 0 is each worker's cap
	Poisson        *Poisson      // nil is uniform: at equal distances
	MaxLateness    time.Duration // a slot that is later than this is not sent; 0 is no limit
}

// Poisson has slots due at the points of a Poisson process.
type Poisson struct {
	Seed int64 // the same seed gives the same points
}

// Stage is a time in which the rate is constant or changes linearly.
type Stage struct {
	Rate     float64       // slots per second at its start; 0 is a pause, or a ramp from 0
	EndRate  *float64      // slots per second at its end; nil is Rate
	Duration time.Duration // 0, in the last stage only, is until the load's end
}

// RateAtEnd is the rate at the stage's end.
func (s Stage) RateAtEnd() float64 {
	if s.EndRate != nil {
		return *s.EndRate
	}
	return s.Rate
}

// Once reports whether the plan sends each of its requests once, in order: nothing says how many or how long.
func (l Load) Once() bool {
	if l.Requests != 0 || l.Duration != 0 {
		return false
	}
	return l.OpenLoop == nil || !slices.ContainsFunc(l.OpenLoop.Stages, func(s Stage) bool { return s.Duration != 0 })
}

// AllAtOnce reports whether the load has no shape: every slot is due at the start.
func (l Load) AllAtOnce() bool { return l.ClosedLoop == nil && l.OpenLoop == nil }

// End is the load's length from its start, given as its duration or as the sum of its stages; 0 is no end but the number
// of slots.
func (l Load) End() time.Duration {
	if l.Duration != 0 || l.OpenLoop == nil {
		return l.Duration
	}
	var sum time.Duration
	for _, s := range l.OpenLoop.Stages {
		if s.Duration == 0 {
			return 0
		}
		sum += s.Duration
	}
	return sum
}

// GraceDuration is the time after the load's end for what is in flight.
func (p *Plan) GraceDuration() time.Duration {
	if p.Load.Grace != nil {
		return *p.Load.Grace
	}
	return p.LongestTimeout()
}

// HTTPOptions say how requests are sent.
type HTTPOptions struct {
	Timeout          time.Duration // default of Request.Timeout
	DialTimeout      time.Duration // DNS and TCP together
	TLSTimeout       time.Duration
	FirstByteTimeout time.Duration // from the last byte written; 0 is none
	MaxRedirects     int           // hops followed

	RequestsPerConnection int // 0 is no limit, 1 no keep-alive
	Engine                Engine
	TLS                   TLSOptions
	SlotHeader            bool // send X-Fanout-Slot

	AllowedTargets []string // rules of package egress, beside the worker's; none is all that the worker allows
}

// TLSOptions say whom TLS towards the target trusts, and who the sender is.
type TLSOptions struct {
	InsecureSkipVerify bool
	ServerName         string // "" is the URL's host
	CAPEM              string // "" is the system's roots
	CertPEM            string // "" is no client certificate
	KeyPEM             Secret // of CertPEM; "" without it, and in the plan of a run that somebody looks at
}

// OutcomeOptions say which outcomes come back, and what each carries beside its figures.
type OutcomeOptions struct {
	Detail     Detail
	BodyBytes  int      // bytes of a response's body to return; 0 is no body
	Headers    []string // canonical names; "*" is all
	SlowStream SlowStream
}

// LongestTimeout is the greatest timeout of the plan's requests.
func (p *Plan) LongestTimeout() time.Duration {
	var longest time.Duration
	for _, r := range p.Requests {
		longest = max(longest, r.Timeout)
	}
	return longest
}
