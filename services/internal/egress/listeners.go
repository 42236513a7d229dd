package egress

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// listeners is where this process takes calls: a worker that could be made to dial itself would obey whoever its target is. The zero
// value is ready; it is safe for concurrent use.
type listeners struct {
	mu  sync.RWMutex
	own []netip.AddrPort // guarded by mu
}

// DenyListener denies the address of a listener of this process, whatever the policy says; that of a listener on an unspecified
// address is its port on every address of this machine. What is no TCP address can be dialled by nobody, and is ignored.
func (d *Dialer) DenyListener(addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return
	}
	at := tcp.AddrPort()
	at = netip.AddrPortFrom(plain(at.Addr()), at.Port())
	d.own.mu.Lock()
	defer d.own.mu.Unlock()
	if !slices.Contains(d.own.own, at) {
		d.own.own = append(d.own.own, at)
	}
}

// leadsTo reports whether a dial of the address leads to a listener of this process, in whatever embedded form it comes in.
func (l *listeners) leadsTo(addr netip.Addr, port uint16) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, own := range l.own {
		if own.Port() != port {
			continue
		}
		forms := append(embedded(plain(addr)), plain(addr))
		if slices.ContainsFunc(forms, func(a netip.Addr) bool { return a == own.Addr() || own.Addr().IsUnspecified() && l.isHere(a) }) {
			return true
		}
	}
	return false
}

// isHere reports whether an address is this machine's. They are asked for anew, since they change; only a dial of the port of an own
// listener comes here.
func (l *listeners) isHere(addr netip.Addr) bool {
	if addr.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true // what nobody can tell is not dialled
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		if !ok {
			return false
		}
		own, ok := netip.AddrFromSlice(network.IP)
		return ok && plain(own) == addr
	})
}
