package wire

import (
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fanout-load/fanout/services/internal/histogram"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/internal/tally"
)

func drawDuration(t *rapid.T, label string, least time.Duration) time.Duration {
	return time.Duration(rapid.Int64Range(int64(least), int64(24*time.Hour)).Draw(t, label))
}

// oneIn is true in one draw of n.
func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == n }

// drawPlan is a plan with its defaults, as ParsePlan makes it.
func drawPlan(t *rapid.T) *plan.Plan {
	p := &plan.Plan{Load: drawLoad(t), HTTP: drawHTTP(t)}
	for range rapid.IntRange(1, 4).Draw(t, "requests") {
		p.Requests = append(p.Requests, drawRequest(t))
	}
	p.Outcomes.Detail = rapid.SampledFrom(plan.Details()).Draw(t, "detail")
	p.Outcomes.SlowStream = rapid.SampledFrom(append(plan.SlowStreams(), 0)).Draw(t, "slow_stream")
	if p.Outcomes.Detail == plan.DetailTallyOnly {
		return p
	}
	if !oneIn(t, 3, "no body") {
		p.Outcomes.BodyBytes = rapid.IntRange(1, 1<<20).Draw(t, "max_bytes")
	}
	p.Outcomes.Headers = slices.Clone([]string{"*", "Etag", "X-Request-Id"}[:rapid.IntRange(0, 3).Draw(t, "headers")])
	if len(p.Outcomes.Headers) == 0 {
		p.Outcomes.Headers = nil
	}
	return p
}

func drawRequest(t *rapid.T) plan.Request {
	r := plan.Request{
		URL:     rapid.SampledFrom([]string{"http://x/", "https://u:p@[::1]:1/ü?#"}).Draw(t, "url") + rapid.StringMatching(`[a-z%]{0}[a-z]{0,9}`).Draw(t, "path"),
		Method:  rapid.StringMatching(`[A-Za-z!#$%&'*+.^_|~-]{1,9}`).Filter(func(s string) bool { return len(s) != len("CONNECT") }).Draw(t, "method"),
		Weight:  rapid.IntRange(1, 2000).Draw(t, "weight"),
		Timeout: drawDuration(t, "timeout", 1),
		Group:   rapid.StringN(0, 9, 64).Draw(t, "group"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, plan.Header{
			Name:  rapid.StringMatching(`[xX]-[a-zA-Z]{1,9}`).Draw(t, "name"),
			Value: plan.Secret(rapid.StringMatching(`[ -~\tü€😀]{0,20}`).Draw(t, "value")),
		})
	}
	r.Body = drawBytes(t, "body")
	return r
}

// drawBytes is text or not, nil when it is empty.
func drawBytes(t *rapid.T, label string) []byte {
	b := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 20), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, label)
	if len(b) == 0 {
		return nil
	}
	return b
}

func drawLoad(t *rapid.T) plan.Load {
	var l plan.Load
	grace := drawDuration(t, "grace", 0)
	l.Grace = &grace
	if oneIn(t, 2, "has requests") {
		l.Requests = rapid.Int64Range(1, 1e10).Draw(t, "load.requests")
	}
	shape := rapid.IntRange(0, 2).Draw(t, "shape")
	if oneIn(t, 2, "has duration") && (shape > 0 || l.Requests > 0) {
		l.Duration = drawDuration(t, "load.duration", 1)
	}
	switch shape {
	case 1:
		l.ClosedLoop = &plan.ClosedLoop{Concurrency: rapid.Int64Range(1, 1e10).Draw(t, "concurrency")}
	case 2:
		l.OpenLoop = drawOpenLoop(t, l)
	}
	return l
}

// drawOpenLoop is an open loop that the load takes: with a slot, and no longer than a day.
func drawOpenLoop(t *rapid.T, load plan.Load) *plan.OpenLoop {
	o := &plan.OpenLoop{MaxConcurrency: rapid.Int64Min(0).Draw(t, "max_concurrency")}
	for range rapid.IntRange(1, 4).Draw(t, "stages") {
		s := plan.Stage{Rate: rapid.Float64Range(0, 100_000).Draw(t, "rate"), Duration: time.Duration(rapid.Int64Range(1, int64(6*time.Hour)).Draw(t, "stage.duration"))}
		if oneIn(t, 2, "is a ramp") {
			end := rapid.Float64Range(0, 100_000).Draw(t, "end rate")
			s.EndRate = &end
		}
		o.Stages = append(o.Stages, s)
	}
	last := &o.Stages[len(o.Stages)-1]
	if oneIn(t, 2, "no last duration") && last.Rate > 0 && last.EndRate == nil && (load.Requests > 0 || load.Duration > 0 || len(o.Stages) == 1) {
		last.Duration = 0
	}
	if oneIn(t, 2, "poisson") {
		o.Poisson = &plan.Poisson{Seed: rapid.Int64().Draw(t, "seed")}
	}
	if oneIn(t, 2, "has max_lateness") {
		o.MaxLateness = drawDuration(t, "max_lateness", 1)
	}
	load.OpenLoop = o
	if schedule.DueInTime(load) == 0 {
		t.Skip("no slot")
	}
	if load.Requests > 0 && schedule.New(&plan.Plan{Load: load}).Due(load.Requests-1) > 24*time.Hour && schedule.DueInTime(load) >= load.Requests {
		t.Skip("too long")
	}
	return o
}

func drawHTTP(t *rapid.T) plan.HTTPOptions {
	cert, key := certificate()
	h := plan.HTTPOptions{
		Timeout:          drawDuration(t, "http.timeout", 1),
		DialTimeout:      drawDuration(t, "dial_timeout", 1),
		TLSTimeout:       drawDuration(t, "tls_timeout", 1),
		FirstByteTimeout: drawDuration(t, "first_byte_timeout", 0),
		MaxRedirects:     rapid.IntRange(0, 50).Draw(t, "max_redirects"),
		SlotHeader:       rapid.Bool().Draw(t, "slot_header"),

		RequestsPerConnection: rapid.IntRange(0, 1e9).Draw(t, "requests_per_connection"),
		Engine:                rapid.SampledFrom(plan.Engines()).Draw(t, "engine"),
	}
	if oneIn(t, 2, "allowed_targets") {
		rule := rapid.SampledFrom([]string{"*", "localhost", "a.example:80", ".example:8000-8099", "10.0.0.0/8", "[fd00::/8]:443", "::1"})
		h.AllowedTargets = rapid.SliceOfN(rule, 1, plan.MaxAllowedTargets).Draw(t, "allowed_targets")
	}
	h.TLS.InsecureSkipVerify = rapid.Bool().Draw(t, "insecure")
	h.TLS.ServerName = rapid.StringMatching(`([a-z][a-z0-9_]{0,9}\.)?[a-z]{0,3}`).Filter(func(s string) bool { return s == "" || isHostName(s) }).Draw(t, "server_name")
	if oneIn(t, 4, "ca") {
		h.TLS.CAPEM = cert
	}
	if oneIn(t, 4, "identity") {
		h.TLS.CertPEM, h.TLS.KeyPEM = cert, plan.Secret(key)
	}
	return h
}

func TestPlanRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawPlan(t)
		got, violations := ParsePlan(roundTrip(t, PlanProto(want)), plan.DefaultCaps())
		if diff := cmp.Diff(want, got); diff != "" || violations != nil {
			t.Fatalf("ParsePlan(PlanProto(p)) = violations %q and, -want +got:\n%s", violations, diff)
		}
	})
}

// What is not filled in stays absent, so that the defaults are those of whoever reads it.
func TestUnfilledPlan(t *testing.T) {
	t.Parallel()
	got := PlanProto(&plan.Plan{Requests: []plan.Request{{URL: "http://target.example/"}}})
	if !proto.Equal(got, minimalPlan()) {
		t.Errorf("PlanProto of an unfilled plan = %v, want %v", got, minimalPlan())
	}
	if got := PlanProto(nil); got != nil {
		t.Errorf("PlanProto(nil) = %v, want nil", got)
	}
	if got := PlanProto(&plan.Plan{Load: plan.Load{ClosedLoop: &plan.ClosedLoop{}}}).GetLoad(); got.GetRequests() != 0 || got.GetClosedLoop() == nil {
		t.Errorf("load of a closed loop = %v", got)
	}
	const tooMany = math.MaxInt32 + 1
	if got := PlanProto(&plan.Plan{HTTP: plan.HTTPOptions{MaxRedirects: tooMany}}).GetHttp().GetMaxRedirects(); got <= 0 {
		t.Errorf("%d redirects became %d", tooMany, got)
	}
}

func drawNanos(t *rapid.T, label string) time.Duration {
	return time.Duration(rapid.Int64Range(0, maxNanos).Draw(t, label))
}

func drawOutcome(t *rapid.T, str *rapid.Generator[string]) *outcome.Outcome {
	o := &outcome.Outcome{
		Slot:          rapid.Int64().Draw(t, "slot"),
		Request:       rapid.Int32().Draw(t, "request"),
		Status:        rapid.Int32Range(0, 999).Draw(t, "status"),
		Error:         rapid.SampledFrom(append(outcome.Classes(), outcome.NoError)).Draw(t, "error"),
		NotSent:       rapid.SampledFrom(append(outcome.Reasons(), outcome.Sent)).Draw(t, "not_sent"),
		Due:           drawNanos(t, "due"),
		Lateness:      drawNanos(t, "lateness"),
		FirstByte:     drawNanos(t, "first_byte"),
		Service:       drawNanos(t, "service"),
		SentBytes:     rapid.Int64().Draw(t, "sent"),
		ReceivedBytes: rapid.Int64().Draw(t, "received"),
		Message:       str.Draw(t, "message"),
		Redirects:     rapid.Int32().Draw(t, "redirects"),
	}
	if rapid.Bool().Draw(t, "connection") {
		o.Connection = &outcome.Connection{
			Peer: str.Draw(t, "peer"), Protocol: str.Draw(t, "protocol"),
			DNS: drawNanos(t, "dns"), Dial: drawNanos(t, "dial"), TLS: drawNanos(t, "tls"),
			TLSResumed: rapid.Bool().Draw(t, "resumed"),
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "headers") {
		o.Headers = append(o.Headers, outcome.Header{Name: str.Draw(t, "name"), Value: str.Draw(t, "value")})
	}
	if rapid.Bool().Draw(t, "body") {
		o.Body = &outcome.Body{Bytes: drawBytes(t, "bytes"), Truncated: rapid.Bool().Draw(t, "truncated")}
		if whole := wholeRunes(o.Body.Bytes); o.Body.Truncated && utf8.Valid(whole) {
			o.Body.Bytes = whole // what text would be cut to
		}
	}
	return o
}

func TestOutcomeRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawOutcome(t, rapid.String())
		got := Outcome(roundTrip(t, OutcomeProto(want)))
		if diff := cmp.Diff(want, &got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("Outcome(OutcomeProto(o)), -want +got:\n%s", diff)
		}
	})
}

// Whatever bytes a target sends, the outcome marshals, and says the same again when it comes back.
func TestOutcomeProtoMarshalsAnything(t *testing.T) {
	t.Parallel()
	anything := rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) string { return string(b) })
	rapid.Check(t, func(t *rapid.T) {
		first := roundTrip(t, OutcomeProto(drawOutcome(t, anything)))
		back := Outcome(first)
		if second := roundTrip(t, OutcomeProto(&back)); !proto.Equal(first, second) {
			t.Fatalf("%v became %v", first, second)
		}
	})
}

// Text that is cut anywhere stays text, and loses less than a rune.
func TestTruncatedTextIsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.StringOf(rapid.RuneFrom([]rune("aü€😀"))).Draw(t, "text")
		n := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		pb := roundTrip(t, OutcomeProto(&outcome.Outcome{Body: &outcome.Body{Bytes: []byte(whole[:n]), Truncated: true}}))
		got := pb.GetBody().GetText()
		if pb.GetBody().GetData() != nil || whole[:len(got)] != got || n-len(got) >= utf8.UTFMax {
			t.Fatalf("%q cut at %d became %v", whole, n, pb.GetBody())
		}
	})
}

func drawLatency(t *rapid.T, label string) tally.Latency {
	if oneIn(t, 3, label+" empty") {
		return tally.Latency{}
	}
	d := func(name string) time.Duration { return time.Duration(rapid.Int64Min(0).Draw(t, label+name)) }
	return tally.Latency{
		Stats: histogram.Stats{
			Count: rapid.Int64Min(1).Draw(t, label+".count"), Clamped: rapid.Int64Min(0).Draw(t, label+".clamped"),
			Sum: d(".sum"), Min: d(".min"), Max: d(".max"),
		},
		P50: d(".p50"), P75: d(".p75"), P90: d(".p90"), P95: d(".p95"), P99: d(".p99"), P999: d(".p999"),
		Buckets: drawBytes(t, label+".buckets"),
	}
}

func drawSnapshot(t *rapid.T, label string, depth int) *tally.Snapshot {
	n := func(name string) int64 { return rapid.Int64().Draw(t, label+name) }
	s := &tally.Snapshot{
		Counts: tally.Counts{
			Planned: n(".planned"), Pending: n(".pending"), InFlight: n(".in_flight"),
			Responses: n(".responses"), Errors: n(".errors"), NotSent: n(".not_sent"), Unknown: n(".unknown"),
		},
		ByStatus:  rapid.MapOf(rapid.Int32Range(0, 999), rapid.Int64()).Draw(t, label+".by_status"),
		SentBytes: n(".sent"), ReceivedBytes: n(".received"), Folded: n(".folded"), Records: n(".records"), Lost: n(".lost"),
		Service: drawLatency(t, label+".service"), Response: drawLatency(t, label+".response"),
		Lateness: drawLatency(t, label+".lateness"), FirstByte: drawLatency(t, label+".first_byte"),
		Stalled: time.Duration(rapid.Int64Min(0).Draw(t, label+".stalled")),
	}
	count := int64(math.MaxInt64)
	for _, c := range rapid.SliceOfNDistinct(rapid.SampledFrom(outcome.Classes()), 0, 4, rapid.ID).Draw(t, label+".classes") {
		count -= rapid.Int64Range(0, 1000).Draw(t, label+".step")
		examples := rapid.SliceOfN(rapid.String(), 0, tally.MaxExamples).Draw(t, label+".examples")
		s.Errors = append(s.Errors, tally.ClassCount{Class: c, Count: count, Examples: examples})
	}
	for _, r := range rapid.SliceOfNDistinct(rapid.SampledFrom(outcome.Reasons()), 0, 3, rapid.ID).Draw(t, label+".reasons") {
		count -= rapid.Int64Range(0, 1000).Draw(t, label+".step")
		s.NotSent = append(s.NotSent, tally.ReasonCount{Reason: r, Count: count})
	}
	if depth == 0 {
		return s
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.String(), 0, 2, rapid.ID).Draw(t, label+".groups") {
		if s.Groups == nil {
			s.Groups = make(map[string]*tally.Snapshot)
		}
		s.Groups[name] = drawSnapshot(t, label+".group", depth-1)
	}
	for range rapid.IntRange(0, 2).Draw(t, label+".seconds") {
		second := tally.Second{
			Second: rapid.Int64Min(0).Draw(t, label+".second"), Tally: drawSnapshot(t, label+".second", depth-1),
			Complete: rapid.Bool().Draw(t, label+".complete"),
		}
		s.Seconds = append(s.Seconds, second)
	}
	return s
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawSnapshot(t, "tally", 1)
		got := Snapshot(roundTrip(t, SnapshotProto(want)))
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("Snapshot(SnapshotProto(s)), -want +got:\n%s", diff)
		}
	})
}
