package wire

import (
	"strconv"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// maxPerConnection is no limit in practice: a connection that carries a million a minute gets there in 16 hours.
const maxPerConnection = 1_000_000_000

func (c *checker) http(pb *fanoutv1.HttpOptions) plan.HTTPOptions {
	const at = "plan.http"
	c.capped(at, "max_redirects", int64(pb.GetMaxRedirects()), 0, c.caps.Redirects, "max_redirect_count")
	c.inRange(at, "requests_per_connection", int64(pb.GetRequestsPerConnection()), 0, maxPerConnection)
	return plan.HTTPOptions{
		Timeout:          c.positive(at, "timeout", pb.GetTimeout()),
		DialTimeout:      c.positive(at, "dial_timeout", pb.GetDialTimeout()),
		TLSTimeout:       c.positive(at, "tls_timeout", pb.GetTlsTimeout()),
		FirstByteTimeout: c.positive(at, "first_byte_timeout", pb.GetFirstByteTimeout()),
		MaxRedirects:     int(pb.GetMaxRedirects()),
		TLS:              c.tls(at+".tls", pb.GetTls()),
		SlotHeader:       pb.GetSlotHeader(),

		RequestsPerConnection: int(pb.GetRequestsPerConnection()),
		Engine:                oneOf(c, at, "engine", pb.GetEngine(), plan.Engines()),
		AllowedTargets:        c.allowedTargets(at, pb.GetAllowedTargets()),
	}
}

// allowedTargets is the rules for targets, each in its usual form, so that the same rules are the same plan.
func (c *checker) allowedTargets(at string, texts []string) []string {
	if len(texts) > plan.MaxAllowedTargets {
		c.addf(at, "allowed_targets", "%d rules are beyond the cap of %d; use fewer, as one CIDR for many addresses", len(texts), plan.MaxAllowedTargets)
		return nil
	}
	var rules []string
	for i, text := range texts {
		rule, err := egress.ParseRule(text)
		if err != nil {
			c.addf(at, "allowed_targets["+strconv.Itoa(i)+"]", "%s is not a rule for targets: %v", quote(text), err)
			continue
		}
		rules = append(rules, rule.String())
	}
	return rules
}
