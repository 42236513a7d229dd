// Package trialca is a certificate authority for a trial: it makes what two services and their callers need to know each other, once,
// and forgets nothing and revokes nothing. A company's own authority is better, and the services take its certificates as well.
package trialca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair is a certificate and its private key, both in PEM.
type Pair struct{ Cert, Key []byte }

// Leaf is what a certificate says.
type Leaf struct {
	Names    []string // subject alternative names: IP addresses, URIs (with ://), mail addresses (with @) and DNS names
	Serving  bool     // it is for services
	Calling  bool     // it is for callers
	From, To time.Time
}

// New makes an authority that is valid for so long.
func New(from, to time.Time) (*Authority, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "fanout trial authority"},
		NotBefore:             from,
		NotAfter:              to,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs certificates, and no authorities
	}
	// The serial number is left to CreateCertificate, which draws one.
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("making an authority: %w", err)
	}
	return &Authority{cert, key}, nil
}

// Pair is the authority's own certificate and key.
func (a *Authority) Pair() (Pair, error) { return encode(a.cert.Raw, a.key) }

// Issue makes a key and a certificate on it.
func (a *Authority) Issue(leaf Leaf) (Pair, error) {
	key, err := newKey()
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{NotBefore: leaf.From, NotAfter: leaf.To, KeyUsage: x509.KeyUsageDigitalSignature}
	if err := addNames(template, leaf.Names); err != nil {
		return Pair{}, err
	}
	if leaf.Serving {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if leaf.Calling {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("making a certificate for %q: %w", leaf.Names, err)
	}
	return encode(der, key)
}

func addNames(template *x509.Certificate, names []string) error {
	for i, name := range names {
		if i == 0 {
			template.Subject.CommonName = name // for people who look at it
		}
		switch ip := net.ParseIP(name); {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(name, "://"):
			parsed, err := url.Parse(name)
			if err != nil {
				return fmt.Errorf("%q is not a URI: %w", name, err)
			}
			template.URIs = append(template.URIs, parsed)
		case strings.Contains(name, "@"):
			template.EmailAddresses = append(template.EmailAddresses, name)
		default:
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return nil
}

// newKey makes a P-256 key, which every TLS library takes.
func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return key, nil
}

func encode(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding a key: %w", err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}, nil
}
