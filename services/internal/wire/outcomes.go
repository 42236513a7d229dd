package wire

import (
	"net/textproto"
	"strconv"

	"golang.org/x/net/http/httpguts"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

const (
	// defaultBodyBytes is a page or an API's answer; sixty of them fit in a message of gRPC's default size.
	defaultBodyBytes = 64 << 10

	// maxOutcomeHeaders bounds what is compared with each header of each response.
	maxOutcomeHeaders = 100
)

func (c *checker) outcomes(pb *fanoutv1.OutcomeOptions) plan.OutcomeOptions {
	const at = "plan.outcomes"
	o := plan.OutcomeOptions{
		Detail:     oneOf(c, at, "detail", pb.GetDetail(), plan.Details()),
		BodyBytes:  c.bodyBytes(at, pb.GetBody()),
		Headers:    c.outcomeHeaders(at, pb.GetHeaders()),
		SlowStream: oneOf(c, at, "slow_stream", pb.GetSlowStream(), plan.SlowStreams()),
	}
	if o.Detail == plan.DetailTallyOnly {
		const why = "no outcome comes back with DETAIL_TALLY_ONLY that could carry %s; leave out one of them"
		if pb.GetBody() != nil {
			c.addf(at, "body", why, "a body")
		}
		if len(o.Headers) > 0 {
			c.addf(at, "headers", why, "headers")
		}
	}
	return o
}

func (c *checker) bodyBytes(at string, pb *fanoutv1.BodyOptions) int {
	if pb == nil {
		return 0
	}
	n := int64(pb.GetMaxBytes())
	c.capped(at, "body.max_bytes", n, 0, c.caps.BodyBytes, "max_body_bytes")
	if n == 0 {
		n = min(defaultBodyBytes, c.caps.BodyBytes)
	}
	return int(n)
}

// outcomeHeaders is the names in canonical form.
func (c *checker) outcomeHeaders(at string, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	if n := len(names); n > maxOutcomeHeaders {
		c.addf(at, "headers", "%d names are beyond the cap of %d; give fewer, or \"*\" alone for all headers", n, maxOutcomeHeaders)
	}
	canonical := make([]string, 0, len(names))
	for i, name := range names {
		if !httpguts.ValidHeaderFieldName(name) { // "*" is a token too
			c.addf(at, "headers["+strconv.Itoa(i)+"]", "%s is not a header name; use a token of RFC 9110, or \"*\" for all headers", quote(name))
		}
		canonical = append(canonical, textproto.CanonicalMIMEHeaderKey(name))
	}
	return canonical
}
