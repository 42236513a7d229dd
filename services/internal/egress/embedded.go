package egress

import "net/netip"

// IPv6 prefixes whose addresses carry an IPv4 address that a gateway or the system itself may send the packet to.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052: the last 4 bytes
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215: where RFC 6052 puts them, by a length that only the network knows
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056: bytes 2 to 5
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291 section 2.5.5.1: the last 4 bytes
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765: the last 4 bytes
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380: the server in bytes 4 to 7, the client in the last 4, inverted
)

// embedded is every IPv4 address that a plain address may carry. A network may have NAT64 under a prefix of its own, which nobody
// can tell from the address.
func embedded(addr netip.Addr) []netip.Addr {
	if addr.Is4() || addr == netip.IPv6Loopback() || addr.IsUnspecified() {
		return nil
	}
	b := addr.As16()
	at := func(i, j, k, l int) netip.Addr { return netip.AddrFrom4([4]byte{b[i], b[j], b[k], b[l]}) }
	last := at(12, 13, 14, 15)
	switch {
	case nat64.Contains(addr), compatible.Contains(addr), translated.Contains(addr):
		return []netip.Addr{last}
	case nat64Local.Contains(addr): // RFC 6052 section 2.2: for prefixes of 48, 56, 64 and 96 bits; byte 8 is skipped
		return likely(at(6, 7, 9, 10), at(7, 9, 10, 11), at(9, 10, 11, 12), last)
	case sixToFour.Contains(addr):
		return []netip.Addr{at(2, 3, 4, 5)}
	case teredo.Contains(addr):
		return likely(at(4, 5, 6, 7), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	case isISATAP(b):
		return []netip.Addr{last}
	default:
		return nil
	}
}

// likely is those of several places for an address that have one: what begins with 0 is more likely a gap than an address.
func likely(places ...netip.Addr) (found []netip.Addr) {
	for _, place := range places {
		if !thisNetwork.Contains(place) {
			found = append(found, place)
		}
	}
	return found
}

// isISATAP reports whether the interface's part of an address is that of RFC 5214 section 6.1: 00-00-5E-FE, or with the universal bit
// set, and then an IPv4 address.
func isISATAP(b [16]byte) bool {
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}
