package grpctls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"

	"google.golang.org/grpc/credentials"
)

// Callers says what a server asks of those who call it.
type Callers uint8

// What a server may ask of a caller.
const (
	Anyone   Callers = iota // no certificate
	Verified                // a certificate, if it shows one, of the authorities
	Required                // a certificate of the authorities
)

// What is wrong with a caller's certificate that its authority has signed.
var (
	errNotForCalling = errors.New("the caller's certificate is not for calling: its extended key usage is without clientAuth")
	errNobody        = errors.New("the caller's certificate names nobody: it has no URI, DNS name or mail address as subject alternative name")
)

// Server is the credentials of a server. Every connection is verified in full: there is no resumption, which would outlive an authority
// that is no longer trusted.
func (s *Source) Server(callers Callers) credentials.TransportCredentials {
	return &transport{refusals: &refusals{log: s.log}, now: func() credentials.TransportCredentials {
		m := s.material()
		config := &tls.Config{
			MinVersion:             tls.VersionTLS13,
			Certificates:           []tls.Certificate{*m.cert},
			SessionTicketsDisabled: true,
		}
		if callers != Anyone {
			config.ClientCAs = m.authorities
			config.ClientAuth = tls.RequireAndVerifyClientCert
			config.VerifyConnection = checkCaller
			if callers == Verified {
				config.ClientAuth = tls.VerifyClientCertIfGiven
			}
		}
		return credentials.NewTLS(config)
	}}
}

// checkCaller demands of a certificate what crypto/tls does not: it takes one that has no extended key usage at all for every use.
func checkCaller(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return nil // whether it may be is the configuration's matter
	}
	leaf := state.PeerCertificates[0]
	if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return errNotForCalling
	}
	if _, named := nameOf(leaf); !named {
		return errNobody
	}
	return nil
}

// Client is the credentials of a caller, which verifies that the other side has the name that is dialled.
func (s *Source) Client() credentials.TransportCredentials {
	return &transport{now: func() credentials.TransportCredentials {
		m := s.material()
		config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: m.authorities}
		if m.cert != nil {
			// Shown to everyone who asks: left to crypto/tls it is kept back where its authority is not among those that the server
			// names, and the server would say that none was shown.
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return m.cert, nil }
		}
		return credentials.NewTLS(config)
	}}
}

// transport shakes hands with the credentials of the moment.
type transport struct {
	now      func() credentials.TransportCredentials
	refusals *refusals // of a server
}

// ClientHandshake is grpc's.
func (t *transport) ClientHandshake(ctx context.Context, authority string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return t.now().ClientHandshake(ctx, authority, conn)
}

// ServerHandshake is grpc's. A caller that is refused is let hear why.
func (t *transport) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	held := &heldConn{Conn: conn}
	secure, info, err := t.now().ServerHandshake(held)
	if err != nil {
		t.refusals.note(conn.RemoteAddr(), err)
		held.farewell(err)
		return nil, nil, err
	}
	held.release()
	return secure, info, nil
}

// Info is grpc's.
func (t *transport) Info() credentials.ProtocolInfo { return t.now().Info() }

// Clone is grpc's; it shares what does not change.
func (t *transport) Clone() credentials.TransportCredentials { return t }

// OverrideServerName is deprecated by grpc; the name is that of the connection.
func (t *transport) OverrideServerName(string) error {
	return errors.New("the name to verify is the connection's authority")
}
