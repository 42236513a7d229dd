package wire

import (
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
	}
}
