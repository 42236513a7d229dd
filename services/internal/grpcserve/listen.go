package grpcserve

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// TakenError says that another process has the port.
type TakenError struct{ Address string }

// Error names the address.
func (e *TakenError) Error() string {
	return fmt.Sprintf("--listen %s: the port is taken by another process; stop it, or choose another port", e.Address)
}

// Listen opens the service's listener at HOST:PORT; port 0 lets the system choose. The host has to be a loopback address:
// there is no TLS and no authentication yet, and an open port would let anyone on the network send requests from here.
func Listen(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not HOST:PORT, as in 127.0.0.1:7070", address)
	}
	if addr, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !addr.IsLoopback()) {
		return nil, fmt.Errorf("--listen %q is not a loopback address; without TLS and authentication, which this version does not have,"+
			" anyone who reaches the port could send requests from this machine; use 127.0.0.1 or [::1]", address)
	}
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &TakenError{address}
	}
	if err != nil {
		return nil, fmt.Errorf("--listen %s: %w", address, err)
	}
	return l, nil
}
