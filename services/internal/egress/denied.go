package egress

import "net/netip"

// metadata is the addresses at which clouds hand out credentials to whoever asks from within: no load test has business
// there, and a worker that could be made to ask would be a way to steal them. They are denied always, whatever a policy
// allows. Sources: the documentation of AWS (instance, ECS task and EKS pod metadata, IPv4 and IPv6), which Google Cloud,
// Azure and others share at 169.254.169.254; Alibaba Cloud; Oracle Cloud; Azure's host agent.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true,
	netip.MustParseAddr("169.254.170.2"):   true,
	netip.MustParseAddr("169.254.170.23"):  true,
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd00:ec2::23"):    true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("192.0.0.192"):     true,
	netip.MustParseAddr("168.63.129.16"):   true,
}

// IPv6 prefixes whose addresses carry an IPv4 address that a gateway or the system itself may send the packet to.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052: the last 4 bytes
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215: the last 4 bytes, as commonly configured
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056: bytes 2 to 5
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291 section 2.5.5.1: the last 4 bytes
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765: the last 4 bytes
)

// denied reports whether the address may never be dialled, whatever textual or embedded form it comes in.
func denied(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if metadata[addr] {
		return true
	}
	if addr.Is4() {
		return false
	}
	bytes := addr.As16()
	switch {
	case nat64.Contains(addr), nat64Local.Contains(addr), compatible.Contains(addr), translated.Contains(addr):
		return metadata[netip.AddrFrom4([4]byte(bytes[12:16]))]
	case sixToFour.Contains(addr):
		return metadata[netip.AddrFrom4([4]byte(bytes[2:6]))]
	default:
		return false
	}
}
