package grpctls

import (
	"context"
	"crypto/x509"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Identity is the name of the caller whose RPC the context is of, as its certificate has it, which the handshake has verified. It is not
// ok without a certificate.
func Identity(ctx context.Context) (name string, ok bool) {
	caller, ok := peer.FromContext(ctx)
	if !ok {
		return "", false
	}
	info, ok := caller.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return "", false
	}
	return nameOf(info.State.VerifiedChains[0][0])
}

// nameOf is the name that a certificate gives: its first URI, else its first DNS name, else its first mail address. The common name is
// none: nothing says what it means.
func nameOf(cert *x509.Certificate) (name string, ok bool) {
	switch {
	case len(cert.URIs) > 0:
		name = cert.URIs[0].String()
	case len(cert.DNSNames) > 0:
		name = cert.DNSNames[0]
	case len(cert.EmailAddresses) > 0:
		name = cert.EmailAddresses[0]
	}
	return name, name != ""
}
