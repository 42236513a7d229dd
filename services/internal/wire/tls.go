package wire

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func (c *checker) tls(at string, pb *fanoutv1.TlsOptions) plan.TLSOptions {
	if name := pb.GetServerName(); name != "" && !isHostName(name) && !isAddress(name) {
		c.addf(at, "server_name", "%s is not a host name; use a name in its ASCII form, or an address, without port", quote(name))
	}
	c.certificates(at, "ca_pem", pb.GetCaPem(), "give only the authorities that the targets need")
	c.identity(at, pb.GetCertPem(), pb.GetKeyPem())
	return plan.TLSOptions{
		InsecureSkipVerify: pb.GetInsecureSkipVerify(),
		ServerName:         pb.GetServerName(),
		CAPEM:              pb.GetCaPem(),
		CertPEM:            pb.GetCertPem(),
		KeyPEM:             plan.Secret(pb.GetKeyPem()),
	}
}

// certificates reports whether a field has certificates, or nothing. A violation does not show what it has: what is not a
// certificate may well be the key.
func (c *checker) certificates(at, name, certificates, fewer string) bool {
	switch {
	case certificates == "":
		return true
	case len(certificates) > plan.MaxCertificateBytes:
		c.addf(at, name, "%d bytes are beyond the cap of %d; %s", len(certificates), plan.MaxCertificateBytes, fewer)
	case !hasCertificate(certificates):
		c.addf(at, name, "%d bytes without a certificate that can be read; give PEM with a block of BEGIN CERTIFICATE", len(certificates))
	case !utf8.ValidString(certificates):
		c.addf(at, name, "%d bytes are not UTF-8; give the PEM alone", len(certificates))
	default:
		return true
	}
	return false
}

// identity checks a client certificate and its key. Nothing of the key is ever shown.
func (c *checker) identity(at, certificate, key string) {
	readable := c.certificates(at, "cert_pem", certificate, "give the certificate and its issuers alone")
	switch {
	case key == "" && (certificate == "" || c.shown):
		return
	case key == "":
		c.addf(at, "key_pem", "a certificate without its key cannot be shown to a target; give the key of cert_pem too, or neither")
		return
	case len(key) > plan.MaxKeyBytes:
		c.addf(at, "key_pem", "%d bytes are beyond the cap of %d; give one key", len(key), plan.MaxKeyBytes)
	case !hasKey(key):
		c.addf(at, "key_pem", "%d bytes without a private key that can be read; give it as PEM, without a passphrase", len(key))
	case !utf8.ValidString(key):
		c.addf(at, "key_pem", "%d bytes are not UTF-8; give the PEM alone", len(key))
	case certificate != "" && readable && !areAPair(certificate, key):
		c.addf(at, "key_pem", "the key is not that of the first certificate in cert_pem; give the two that belong together")
	}
	if certificate == "" {
		c.addf(at, "cert_pem", "a key without its certificate is of no use; give the certificate of key_pem too, or neither")
	}
}

// hasKey reports whether a private key is in the PEM, of the kinds that package tls takes.
func hasKey(key string) bool {
	for rest := []byte(key); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			return true
		}
		if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
			return true
		}
		if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return true
		}
	}
}

func areAPair(certificate, key string) bool {
	_, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	return err == nil
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
