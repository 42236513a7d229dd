package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// MaxRuleBytes is the longest text of a rule: a name of 253 bytes and two ports, with room to spare.
const MaxRuleBytes = 300

// Rule allows some targets. Two rules are the same if they are equal.
type Rule struct {
	kind     kind
	host     string       // of exactly and below: in its ASCII form, in lower case, without the root's dot
	prefix   netip.Prefix // of within
	from, to uint16       // ports, both inclusive; 0 and 0 is every port
}

// kind is what a rule looks at.
type kind uint8

const (
	everything kind = iota + 1
	loopback        // the addresses of this machine for itself
	within          // addresses
	exactly         // a name
	below           // names under a name, and not the name itself
)

// ParseRule reads one rule:
//
//	HOST                  exactly that name: example.internal
//	.SUFFIX, *.SUFFIX     every name below it, but not SUFFIX itself
//	ADDRESS, CIDR         10.0.0.1, fd00::1, 10.0.0.0/8
//	localhost             the loopback addresses, 127.0.0.0/8 and ::1
//	*                     everything but what is always denied
//
// Each may have :PORT or :FROM-TO behind it, for which an IPv6 address or CIDR stands in brackets. The error is one sentence that says
// what is wrong with the text, without the text.
func ParseRule(text string) (Rule, error) {
	if len(text) > MaxRuleBytes {
		return Rule{}, fmt.Errorf("it has %d bytes, beyond the %d that a rule may have", len(text), MaxRuleBytes)
	}
	target, ports, err := splitPorts(text)
	if err != nil {
		return Rule{}, err
	}
	r, err := parseTarget(target)
	if err != nil {
		return Rule{}, err
	}
	if ports != "" {
		r.from, r.to, err = parsePorts(ports)
	}
	return r, err
}

// splitPorts splits a rule into what it allows and its ports, "" for all. Only an IPv6 address has a colon that does not begin them.
func splitPorts(text string) (target, ports string, err error) {
	switch {
	case text == "":
		return "", "", errors.New("it is empty; write a host, an address, a CIDR or *")
	case text[0] == '[':
		end := strings.IndexByte(text, ']')
		if end < 0 {
			return "", "", errors.New("it has a bracket without its end; write [ADDRESS]:PORT")
		}
		target, ports = text[1:end], text[end+1:]
		if !strings.Contains(target, ":") {
			return "", "", errors.New("what is in its brackets is no IPv6 address; leave the brackets out")
		}
		if ports != "" && (ports[0] != ':' || len(ports) == 1) {
			return "", "", errors.New("its brackets are not followed by a colon and a port; write [ADDRESS]:PORT")
		}
		return target, strings.TrimPrefix(ports, ":"), nil
	case strings.Contains(text, "://"):
		return "", "", errors.New("it has a scheme; write the host alone, with :PORT if only that is meant")
	case strings.Count(text, ":") != 1:
		return text, "", nil
	}
	target, ports, _ = strings.Cut(text, ":")
	if ports == "" {
		return "", "", errors.New("it has a colon and no port behind it; add the port, or drop the colon for every port")
	}
	if target == "" {
		return "", "", errors.New("it has a port and no host before it; write * for every host")
	}
	return target, ports, nil
}

func parsePorts(text string) (from, to uint16, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	from, ok := port(first)
	to, ok2 := port(last)
	switch {
	case !ok || !ok2:
		return 0, 0, errors.New("its port is not one; write 1 to 65535, or a range as 8000-8099")
	case from > to:
		return 0, 0, fmt.Errorf("its ports run backwards, from %d to %d; write the lower one first", from, to)
	}
	return from, to, nil
}

// port is a port in its one usual form.
func port(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == text
}

func parseTarget(text string) (Rule, error) {
	switch suffix, isSuffix := cutSuffixMark(text); {
	case text == "*":
		return Rule{kind: everything}, nil
	case strings.Contains(text, "/"):
		return parsePrefix(text)
	case strings.Contains(text, ":"), isAddress(text):
		return parseAddress(text)
	case isSuffix:
		host, err := hostName(suffix)
		return Rule{kind: below, host: host}, err
	default:
		host, err := hostName(text)
		if host == "localhost" {
			return Rule{kind: loopback}, nil
		}
		return Rule{kind: exactly, host: host}, err
	}
}

func cutSuffixMark(text string) (suffix string, ok bool) {
	return strings.CutPrefix(strings.TrimPrefix(text, "*"), ".")
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

func parseAddress(text string) (Rule, error) {
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return Rule{}, errors.New("it is no address; write an IPv6 address with a port as [ADDRESS]:PORT, and a host without a scheme")
	case addr.Zone() != "":
		return Rule{}, errors.New("its address has a zone; leave that out, it is allowed in every zone")
	}
	addr = addr.Unmap()
	return Rule{kind: within, prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
}

func parsePrefix(text string) (Rule, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return Rule{}, errors.New("it is no CIDR; write one as 10.0.0.0/8, with a port as 10.0.0.0/8:443 or [fd00::/8]:443, and a host without a path")
	}
	if prefix.Addr().Is4In6() {
		return Rule{}, errors.New("its CIDR is of IPv4 addresses in IPv6; write it as one of IPv4")
	}
	if masked := prefix.Masked(); masked != prefix {
		return Rule{}, fmt.Errorf("its CIDR has bits beyond its length; write %v, or the address alone", masked)
	}
	return Rule{kind: within, prefix: prefix}, nil
}

// Bounds of DNS names, RFC 1035 section 2.3.4: 255 bytes as sent are 253 as text.
const (
	maxNameBytes  = 253
	maxLabelBytes = 63
)

// hostName is a rule's name as targets have it: in its ASCII form, in lower case, without the root's dot.
func hostName(text string) (string, error) {
	ascii := text
	if strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
		var err error
		if ascii, err = idna.Lookup.ToASCII(text); err != nil {
			return "", errors.New("its host is not a name in DNS; write its ASCII form, as xn--bcher-kva.example")
		}
	}
	name := normal(ascii)
	if !isName(name) {
		return "", errors.New("it is neither a host, an address, a CIDR nor *; write a host without scheme, path and userinfo")
	}
	if isNumeric(name[strings.LastIndexByte(name, '.')+1:]) {
		// Some resolvers take 127.1, 0x7f.1 and 2130706433 for addresses: a rule must not look like allowing another one than it does.
		return "", errors.New("its host ends in a number and is no address in the form a.b.c.d; write the address in that form")
	}
	return name, nil
}

// normal is a name in lower case, without the root's dot.
func normal(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

func isName(name string) bool {
	if len(name) > maxNameBytes {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, isOdd) {
			return false
		}
	}
	return true
}

// isOdd reports whether a rune is in no name: of the underscore many internal ones are fond.
func isOdd(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// isNumeric reports whether a label is a number as inet_aton reads them: decimal, octal or hexadecimal.
func isNumeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// String is the rule in its one usual form, which ParseRule reads as the same rule.
func (r Rule) String() string {
	ports := ""
	if r.from != 0 {
		if ports = fmt.Sprintf(":%d", r.from); r.to != r.from {
			ports += fmt.Sprintf("-%d", r.to)
		}
	}
	target := r.target()
	if ports != "" && strings.Contains(target, ":") {
		target = "[" + target + "]"
	}
	return target + ports
}

func (r Rule) target() string {
	switch r.kind {
	case everything:
		return "*"
	case loopback:
		return "localhost"
	case within:
		if r.prefix.IsSingleIP() {
			return r.prefix.Addr().String()
		}
		return r.prefix.String()
	case below:
		return "." + r.host
	default:
		return r.host
	}
}

// isFor reports whether the rule is one for the port.
func (r Rule) isFor(port uint16) bool {
	return r.from == 0 || r.from <= port && port <= r.to
}

// names reports whether the rule allows by its name what has this name, in its normal form.
func (r Rule) names(host string) bool {
	switch r.kind {
	case everything:
		return true
	case exactly:
		return host == r.host
	case below:
		label, ok := strings.CutSuffix(host, "."+r.host)
		return ok && label != ""
	default:
		return false
	}
}

// covers reports whether the rule allows an address, whatever name it was found by.
func (r Rule) covers(addr netip.Addr) bool {
	switch r.kind {
	case everything:
		return true
	case loopback:
		return addr.IsLoopback()
	case within:
		return r.prefix.Contains(addr)
	default:
		return false
	}
}
