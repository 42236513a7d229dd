package wire

import (
	"crypto/x509"
	"encoding/pem"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

const (
	// maxRedirects is more than twice what browsers follow before they call it a loop.
	maxRedirects = 50

	// maxPerConnection is no limit in practice: a connection that carries a million a minute gets there in 16 hours.
	maxPerConnection = 1_000_000_000

	// maxCABytes holds all public authorities several times over (they are 220 KiB).
	maxCABytes = 1 << 20
)

func (c *checker) http(pb *fanoutv1.HttpOptions) plan.HTTPOptions {
	const at = "plan.http"
	c.inRange(at, "max_redirects", int64(pb.GetMaxRedirects()), 0, maxRedirects)
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

func (c *checker) tls(at string, pb *fanoutv1.TlsOptions) plan.TLSOptions {
	if name := pb.GetServerName(); name != "" && !isHostName(name) && !isAddress(name) {
		c.addf(at, "server_name", "%s is not a host name; use a name in its ASCII form, or an address, without port", quote(name))
	}
	c.authorities(at, pb.GetCaPem())
	return plan.TLSOptions{
		InsecureSkipVerify: pb.GetInsecureSkipVerify(),
		ServerName:         pb.GetServerName(),
		CAPEM:              pb.GetCaPem(),
	}
}

// authorities checks certificates. A violation does not show them: what is not a certificate may well be the key.
func (c *checker) authorities(at, ca string) {
	switch {
	case ca == "":
	case len(ca) > maxCABytes:
		c.addf(at, "ca_pem", "%d bytes are beyond the cap of %d; give only the authorities that the targets need", len(ca), maxCABytes)
	case !hasCertificate(ca):
		c.addf(at, "ca_pem", "%d bytes without a certificate that can be read; give PEM with a block of BEGIN CERTIFICATE", len(ca))
	default:
		c.utf8(at, "ca_pem", ca)
	}
}

// hasCertificate reports whether there is a certificate in the PEM. Others that cannot be read do not matter, as they do
// not to x509.CertPool.
func hasCertificate(ca string) bool {
	for rest := []byte(ca); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		if block.Type != "CERTIFICATE" || len(block.Headers) != 0 {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil {
			return true
		}
	}
}
