// Package egress is the one way out of a worker towards a target. Every connection of every engine, for every hop of a
// redirect, is dialled here: the host is resolved, every address is checked, and a checked address is what is dialled, so
// that no way of writing an address and no DNS answer that changes in between gets past the check. No proxy of the
// environment is asked.
package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Timing is how long the steps of a connection took.
type Timing struct {
	DNS  time.Duration // 0: the host was an address
	Dial time.Duration // of the attempt that succeeded and those before it
}

// Dialer dials targets. The zero value resolves with the system's configuration, and dials loopback addresses alone. It is safe for
// concurrent use once made.
type Dialer struct {
	// Policy is what may be dialled, of what is not always denied.
	Policy Policy
	// Lookup resolves a name. Nil: Go's own resolver, which needs no thread for each look-up, so that ten thousand may
	// wait at once.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// DialContext connects to an address that was checked, as net.Dialer's method of this name does. Nil: TCP. It is what tests with
	// fake time use, which a socket knows nothing of.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	gate gate
	own  listeners
}

var resolver = &net.Resolver{PreferGo: true}

// Dial connects to host:port over TCP, if the policy of the dialer and that of the caller allow it; nil: the caller has none. When the
// host has several addresses, those that are allowed are tried in the resolver's order, each with its part of the time that is left.
// It fails with *BlockedError when none of them is allowed, or any is always denied; with *net.DNSError when the name does not
// resolve, and otherwise with the last address's *net.OpError.
func (d *Dialer) Dial(ctx context.Context, address string, callers *Policy) (net.Conn, Timing, error) {
	var timing Timing
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, timing, fmt.Errorf("splitting target address: %w", err)
	}
	g := d.guard(host, port, callers)
	if blocked := g.beforeLookup(); blocked != nil {
		return nil, timing, blocked
	}
	begin := time.Now()
	addrs, err := d.resolve(ctx, host)
	if err != nil {
		return nil, timing, err
	}
	if g.name != "" {
		timing.DNS = time.Since(begin)
	}
	addrs, blocked := g.allowed(addrs)
	if blocked != nil {
		return nil, timing, blocked
	}
	begin = time.Now()
	conn, err := d.dialFirst(ctx, g, addrs)
	timing.Dial = time.Since(begin)
	return conn, timing, err
}

func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint16(n), err
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	lookup := d.Lookup
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return resolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addrs, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	for i, addr := range addrs {
		addrs[i] = addr.Unmap() // Go's resolver gives IPv4 addresses in IPv6's form
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func (d *Dialer) dialFirst(ctx context.Context, g *guard, addrs []netip.Addr) (net.Conn, error) {
	var last error
	for i, addr := range addrs {
		conn, err := d.dialOne(ctx, g, netip.AddrPortFrom(addr.Unmap(), g.port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		last = err
		// Our own lack of files or ports, and the caller's end, are the same for the next address.
		if ctx.Err() != nil || Local(err) {
			break
		}
	}
	return nil, last
}

// dialOne dials one address; with others to follow it gets its part of the time until the context's deadline.
func (d *Dialer) dialOne(ctx context.Context, g *guard, to netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	if d.DialContext != nil {
		return d.DialContext(ctx, "tcp", to.String())
	}
	// Keep-alive probes are off: a connection lives for seconds, and each probe option is a system call more per dial.
	dialer := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1, ControlContext: g.control}
	return dialer.DialContext(ctx, "tcp", to.String())
}
