package grpcserve

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// TakenError says that another process has the port.
type TakenError struct{ Flag, Address string }

// Error names the address.
func (e *TakenError) Error() string {
	return fmt.Sprintf("%s %s: the port is taken by another process; stop it, or choose another port", e.Flag, e.Address)
}

// Listening is what a service that anyone can reach has to have, and what it has. The zero value has nothing, and may be reached from
// this machine only.
type Listening struct {
	TLS       bool // with --tls-cert and --tls-key
	Callers   bool // known by a certificate, with --tls-ca, or by a token, with --token-file
	Insecure  bool // --insecure-listen: whoever starts it wants it open
	PlainOnly bool // it speaks no TLS, and knows no callers
	// Can says what anyone can do who reaches a service that does not know its callers, as in "send requests from this machine".
	Can string
}

// Listen opens the service's listener at HOST:PORT; port 0 lets the system choose. An address that other machines can reach needs TLS
// and callers that are known; without one of them it is an error that names the missing flags, or with Insecure a warning in the log.
func (l Listening) Listen(address string, log *slog.Logger) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen %q is not HOST:PORT, as in 127.0.0.1:7070", address)
	}
	local := isLoopback(host)
	missing := l.missing()
	if !local && missing != "" && !l.Insecure {
		return nil, fmt.Errorf("--listen %s can be reached from other machines, where anyone could %s; %s", address, l.Can, missing)
	}
	listener, err := listen("--listen", address)
	if err != nil {
		return nil, err
	}
	if bound, ok := listener.Addr().(*net.TCPAddr); local && ok && !bound.IP.IsLoopback() { // what localhost is, the resolver says
		_ = listener.Close()
		return nil, fmt.Errorf("--listen %s is %s here, which is not a loopback address; give 127.0.0.1 or [::1]", address, bound.IP)
	}
	if !local && missing != "" {
		log.Warn("INSECURE: "+l.open(), "listen", listener.Addr().String())
	}
	return listener, nil
}

// ListenHealth opens the listener of --health-listen, which may be anywhere: it tells whether a service is well, and takes nothing.
func ListenHealth(address string) (net.Listener, error) {
	return listenAnywhere("--health-listen", address, "0.0.0.0:7079")
}

// ListenMetrics opens the listener of --metrics-listen, which may be anywhere: it tells how much a service does, and takes nothing.
func ListenMetrics(address string) (net.Listener, error) {
	return listenAnywhere("--metrics-listen", address, "0.0.0.0:7078")
}

func listenAnywhere(flag, address, example string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%s %q is not HOST:PORT, as in %s", flag, address, example)
	}
	return listen(flag, address)
}

func listen(flag, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &TakenError{flag, address}
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return listener, nil
}

// missing is what there has to be for a listener that anyone can reach, with the flags for it; "" is nothing.
func (l Listening) missing() string {
	const open = "for a network where you trust everyone there is --insecure-listen"
	if l.PlainOnly {
		return "use 127.0.0.1 or [::1]; " + open
	}
	var flags []string
	if !l.TLS {
		flags = append(flags, "--tls-cert and --tls-key for TLS")
	}
	if !l.Callers {
		flags = append(flags, "--tls-ca or --token-file to know the callers")
	}
	if flags == nil {
		return ""
	}
	return "give " + strings.Join(flags, ", and ") + " (fanout certs init makes certificates for a trial), or listen on loopback, as 127.0.0.1 or [::1]; " + open
}

// open says who can do what that should not.
func (l Listening) open() string {
	switch {
	case l.TLS:
		return "callers are not known here, and anyone who reaches this port can " + l.Can
	case l.Callers:
		return "this port speaks plaintext, and anyone on the way can read tokens and with them " + l.Can
	default:
		return "this port speaks plaintext and knows no callers, and anyone who reaches it can " + l.Can
	}
}

// isLoopback reports whether only this machine reaches the host. Other names than localhost may be anywhere.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
