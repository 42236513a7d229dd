package egress

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// guard decides on one dial: by what is always denied, by the worker's policy, and by the caller's, all of which have to agree.
type guard struct {
	dialer  *Dialer
	callers *Policy // nil: the caller allows what the worker does
	host    string
	name    string // the host in its normal form; "" when it is an address
	port    uint16
}

func (d *Dialer) guard(host string, port uint16, callers *Policy) *guard {
	g := &guard{dialer: d, callers: callers, host: host, port: port}
	if !isAddress(host) {
		g.name = normal(host)
	}
	return g
}

// beforeLookup refuses a name that no address could make an allowed one: nobody is asked for it.
func (g *guard) beforeLookup() *BlockedError {
	switch {
	case g.name == "":
		return nil
	case !g.dialer.Policy.mayAllow(g.name, g.port):
		return &BlockedError{Host: g.host, Rule: byWorker(g.dialer.Policy, g.port)}
	case g.callers != nil && !g.callers.mayAllow(g.name, g.port):
		return &BlockedError{Host: g.host, Rule: byCaller(*g.callers, g.port)}
	default:
		return nil
	}
}

// allowed is those of the host's addresses that may be dialled, in their order. One that is always denied refuses the host with all
// its addresses: whoever answers for the name means harm. With none left it is the refusal of the first.
func (g *guard) allowed(addrs []netip.Addr) ([]netip.Addr, *BlockedError) {
	for _, addr := range addrs {
		if blocked := g.denies(addr); blocked != nil {
			return nil, blocked
		}
	}
	var first *BlockedError
	left := slices.DeleteFunc(slices.Clone(addrs), func(addr netip.Addr) bool {
		blocked := g.refuses(addr)
		if first == nil {
			first = blocked
		}
		return blocked != nil
	})
	if len(left) > 0 {
		return left, nil
	}
	return nil, first
}

// check is the whole decision on one address.
func (g *guard) check(addr netip.Addr) *BlockedError {
	if blocked := g.denies(addr); blocked != nil {
		return blocked
	}
	return g.refuses(addr)
}

// control checks the address that a socket really gets, just before it connects: whatever was to be dialled, this is what is.
func (g *guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("checking the address of a socket: %w", err)
	}
	if to.Port() != g.port {
		return fmt.Errorf("checking the address of a socket: port %d is not the target's", to.Port())
	}
	if blocked := g.check(to.Addr()); blocked != nil {
		return blocked
	}
	return nil
}

// denies refuses an address that no policy can allow.
func (g *guard) denies(addr netip.Addr) *BlockedError {
	what := alwaysDenied(plain(addr))
	if what == "" && g.dialer.own.leadsTo(addr, g.port) {
		what = "the worker listens there itself"
	}
	if what == "" {
		return nil
	}
	return &BlockedError{Host: g.host, Addr: addr, Rule: "always denied: " + what}
}

// refuses refuses an address that a policy does not allow.
func (g *guard) refuses(addr netip.Addr) *BlockedError {
	to := netip.AddrPortFrom(plain(addr), g.port)
	rule := ""
	switch {
	case !g.dialer.Policy.allows(g.name, to):
		rule = byWorker(g.dialer.Policy, g.port)
	case g.callers != nil && !g.callers.allows(g.name, to):
		rule = byCaller(*g.callers, g.port)
	default:
		return nil
	}
	if isNear(to.Addr()) && g.name != "" {
		rule += ", and no name covers a loopback or link-local address"
	}
	return &BlockedError{Host: g.host, Addr: addr, Rule: rule}
}

func byWorker(p Policy, port uint16) string {
	return "not allowed by this worker at port " + strconv.Itoa(int(port)) + ": --allow-target allows only " + p.String()
}

func byCaller(p Policy, port uint16) string {
	return "not allowed by the caller at port " + strconv.Itoa(int(port)) + ": allowed_targets allows only " + p.String()
}

// CheckName refuses a name that a request bears in its Host header or in its TLS handshake, when it goes to the target's host and port
// but names another one: both policies have to allow it, since behind one address there may be many hosts. The name may have a port,
// which does not count. It returns nil when the name is allowed.
func (d *Dialer) CheckName(name, host string, port uint16, callers *Policy) *BlockedError {
	bare := withoutPort(name)
	bareName, target := normal(bare), normal(host)
	if bareName == target {
		return nil
	}
	if addr, err := netip.ParseAddr(bareName); err == nil {
		if same, err := netip.ParseAddr(target); err == nil && plain(same) == plain(addr) {
			return nil
		}
		if what := alwaysDenied(plain(addr)); what != "" {
			return &BlockedError{Host: bare, Target: host, Addr: addr, Rule: "always denied: " + what}
		}
	}
	switch {
	case !d.Policy.allowsName(bareName, port):
		return &BlockedError{Host: bare, Target: host, Rule: byWorker(d.Policy, port)}
	case callers != nil && !callers.allowsName(bareName, port):
		return &BlockedError{Host: bare, Target: host, Rule: byCaller(*callers, port)}
	default:
		return nil
	}
}

// withoutPort is a Host header's value without port and brackets.
func withoutPort(host string) string {
	if strings.HasPrefix(host, "[") {
		inner, _, _ := strings.Cut(host[1:], "]")
		return inner
	}
	if strings.Count(host, ":") == 1 {
		host, _, _ = strings.Cut(host, ":")
	}
	return host
}
