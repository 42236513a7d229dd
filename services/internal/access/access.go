// Package access says who may call what: who a caller is, which role that gives, and which role a method asks for. It knows no gRPC;
// package grpcserve asks it before every call, and the services ask it whose a run or a call is.
//
// A caller shows a bearer token, or a certificate that the server's certificate authority has signed. Either is a name, its subject.
// The names of both are one space: a token and a certificate of the same name are the same subject, so whoever signs certificates and
// whoever writes the file of tokens have to agree on them.
package access

import "errors"

// Control is who may call what on one server. It is safe for concurrent use.
type Control struct {
	// Tokens is the file of named tokens; nil: no token is known.
	Tokens *File
	// CertRole is the role of a certificate that the file does not name.
	CertRole Role
}

// ErrUnknown says that a caller has shown nothing that this server knows. It does not say what was wrong: that would help to guess.
var ErrUnknown = errors.New("the caller is not known")

// Token is who has the token. It fails with ErrUnknown.
func (c *Control) Token(token string) (Caller, error) {
	if c.Tokens == nil {
		return Caller{}, ErrUnknown
	}
	return c.Tokens.Current().token(token)
}

// Certificate is who has a certificate of this identity, which the TLS handshake has checked. It fails with ErrUnknown if the identity is
// not a name.
func (c *Control) Certificate(identity string) (Caller, error) {
	if !ValidName(identity) {
		return Caller{}, ErrUnknown
	}
	if c.Tokens != nil {
		if role, ok := c.Tokens.Current().certificate(identity); ok {
			return Caller{Subject: identity, Role: role}, nil
		}
	}
	return Caller{Subject: identity, Role: c.CertRole}, nil
}
