package grpcdial

import (
	"fmt"
	"net"
	"net/netip"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// Security is how a client knows whom it talks to, and what it shows of itself. The zero value is plaintext, and nothing.
type Security struct {
	Credentials credentials.TransportCredentials // nil: plaintext
	Token       *Token                           // nil: none
}

// New makes a connection as the function New does. The other side has to have a certificate for name, a host with or without a port; ""
// is the address itself. A token that would leave this machine in plaintext is an error.
func (s Security) New(address, name string) (*Conn, error) {
	var options []grpc.DialOption
	if s.Credentials != nil {
		options = append(options, grpc.WithTransportCredentials(s.Credentials))
	}
	if name != "" {
		options = append(options, grpc.WithAuthority(name))
	}
	if s.Token != nil {
		if err := s.CheckToken(address); err != nil {
			return nil, err
		}
		options = append(options, grpc.WithPerRPCCredentials(bearer{s.Token, s.Credentials != nil}))
	}
	return New(address, options...)
}

// CheckToken refuses to send a token in plaintext to the address, unless that is on this machine: who hears it once may use it for ever.
func (s Security) CheckToken(address string) error {
	if s.Token == nil || s.Credentials != nil || isLoopback(address) {
		return nil
	}
	return fmt.Errorf("the token of %s would go to %s in plaintext, for anyone on the way to read and use; give --tls-ca FILE, or --tls-ca system",
		s.Token.path, address)
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
