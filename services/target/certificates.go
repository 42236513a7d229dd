package target

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Certificates are a certificate authority and what it has signed for a TLS oracle, all made for one test and valid for a
// day. [NewCertificates] makes them.
type Certificates struct {
	// CAPEM is the authority's certificate, for the client to trust.
	CAPEM []byte
	// Config is a server's, with a certificate that a client which trusts the authority accepts. It speaks TLS 1.2 and
	// 1.3, and offers http/1.1 alone.
	Config *tls.Config

	authority *authority
	expired   *tls.Config
}

// authority signs.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewCertificates makes an authority and a certificate for the hosts, which are names or IP addresses; none stands for
// 127.0.0.1, ::1 and localhost. For a certificate of the wrong host, name another one.
func NewCertificates(hosts ...string) (*Certificates, error) {
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1", "::1", "localhost"}
	}
	now := time.Now()
	ca, err := newAuthority(now)
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	valid, err := ca.issue(hosts, now.Add(-time.Hour), now.Add(24*time.Hour))
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	expired, err := ca.issue(hosts, now.Add(-48*time.Hour), now.Add(-24*time.Hour))
	if err != nil {
		return nil, fmt.Errorf("making an expired certificate: %w", err)
	}
	return &Certificates{
		CAPEM:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.certificate.Raw}),
		Config:    valid,
		authority: ca,
		expired:   expired,
	}, nil
}

// Expired returns a server's configuration with a certificate for the same hosts that ran out a day ago.
func (c *Certificates) Expired() *tls.Config { return c.expired.Clone() }

// ServeAlert returns a server's configuration that demands a certificate from the client, any, and sends an alert to one
// that has none. With TLS 1.3 the alert comes after the client has finished its handshake, and so after it may have
// written a request; with TLS 1.2 it comes within the handshake.
func (c *Certificates) ServeAlert() *tls.Config {
	config := c.Config.Clone()
	config.ClientAuth = tls.RequireAnyClientCert
	return config
}

// ServeVerified returns a server's configuration that demands a certificate of [Certificates.Client] from the client. With TLS
// 1.3 it refuses any other one as late as ServeAlert's does.
func (c *Certificates) ServeVerified() *tls.Config {
	config := c.Config.Clone()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	config.ClientCAs.AddCert(c.authority.certificate)
	return config
}

// Client makes a client's certificate, and its key, as PEM.
func (c *Certificates) Client(name string) (certPEM, keyPEM []byte, err error) {
	now := time.Now()
	der, key, err := c.authority.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making a client's certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a client's key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "oracle test authority"},
		NotBefore:             now.Add(-72 * time.Hour), // before all that it signs, the expired too
		NotAfter:              now.Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// issue signs a server's certificate and returns the configuration that serves it.
func (a *authority) issue(hosts []string, from, to time.Time) (*tls.Config, error) {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: hosts[0]},
		NotBefore:   from,
		NotAfter:    to,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, key, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1"},
		MinVersion:   tls.VersionTLS12,
	}, nil
}

// sign makes a key for what the template says, and signs a certificate on it.
func (a *authority) sign(template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	// The serial number is left to CreateCertificate, which draws one.
	der, err = x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return der, key, err
}
