package egress

import (
	"fmt"
	"net/netip"
	"slices"
)

// Policy is the targets that are allowed: those of any of its rules. The zero value allows the loopback addresses alone. It is not
// changed once it is made.
type Policy struct{ rules []Rule }

// Everything allows all that is not always denied. It is for who acts for the person at the keyboard.
func Everything() Policy { return Policy{[]Rule{{kind: everything}}} }

var onlyLoopback = []Rule{{kind: loopback}}

// ParsePolicy is the policy of the rules, of which there is at least one. The error names the first text that is no rule.
func ParsePolicy(texts []string) (Policy, error) {
	var p Policy
	for _, text := range texts {
		r, err := ParseRule(text)
		if err != nil {
			return Policy{}, fmt.Errorf("%.100q is not a rule for targets: %w", text, err)
		}
		if !slices.Contains(p.rules, r) {
			p.rules = append(p.rules, r)
		}
	}
	return p, nil
}

// Rules is the rules, each in its usual form.
func (p Policy) Rules() []string {
	var texts []string
	for _, r := range p.all() {
		texts = append(texts, r.String())
	}
	return texts
}

func (p Policy) all() []Rule {
	if len(p.rules) == 0 {
		return onlyLoopback
	}
	return p.rules
}

// maxShown is how much of the rules a refusal shows, in bytes: it is to fit in one message with the target.
const maxShown = 100

// String is the rules, separated by commas, as far as a message has room for them.
func (p Policy) String() string {
	texts := p.Rules()
	shown := texts[0]
	for i, text := range texts[1:] {
		if len(shown)+len(text) > maxShown {
			return fmt.Sprintf("%s and %d more", shown, len(texts)-1-i)
		}
		shown += ", " + text
	}
	return shown
}

// allows reports whether an address may be dialled at the port: a rule covers it, or names the host that was looked up, "" if it was
// none. No name covers what is near.
func (p Policy) allows(host string, to netip.AddrPort) bool {
	addr := to.Addr()
	near := isNear(addr)
	return slices.ContainsFunc(p.all(), func(r Rule) bool {
		return r.isFor(to.Port()) && (r.covers(addr) || !near && host != "" && r.names(host))
	})
}

// mayAllow reports whether there can be an address under which the host is allowed: whether it is worth looking up.
func (p Policy) mayAllow(host string, port uint16) bool {
	return slices.ContainsFunc(p.all(), func(r Rule) bool {
		return r.isFor(port) && (r.kind == loopback || r.kind == within || r.names(host))
	})
}

// allowsName reports whether a request to the port may name the host beside the target that it goes to.
func (p Policy) allowsName(host string, port uint16) bool {
	addr, err := netip.ParseAddr(host)
	return slices.ContainsFunc(p.all(), func(r Rule) bool {
		switch {
		case !r.isFor(port):
			return false
		case err == nil:
			return r.covers(plain(addr))
		case host == "localhost":
			return r.names(host) || r.covers(netip.AddrFrom4([4]byte{127, 0, 0, 1})) || r.covers(netip.IPv6Loopback())
		default:
			return r.names(host)
		}
	})
}
