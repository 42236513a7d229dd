package egress

import (
	"net/netip"
	"slices"
)

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

var (
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8") // RFC 1122: this host on this network; Linux takes 0.0.0.0 for itself
	broadcast   = netip.MustParseAddr("255.255.255.255")
)

// plain is the address without its zone, and an IPv4-mapped one as the IPv4 address that it stands for.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// alwaysDenied is what makes a plain address one that may never be dialled, whatever embedded form it comes in; "" if nothing does.
func alwaysDenied(addr netip.Addr) string {
	if what := deniedAs(addr); what != "" {
		return what
	}
	for _, inner := range embedded(addr) {
		if what := deniedAs(inner); what != "" {
			return what + " within an IPv6 address"
		}
	}
	return ""
}

// deniedAs is alwaysDenied of the address as it stands.
func deniedAs(addr netip.Addr) string {
	switch {
	case metadata[addr]:
		return "a cloud's metadata address"
	case addr.IsUnspecified(), thisNetwork.Contains(addr):
		return "an unspecified address"
	case addr.IsMulticast():
		return "a multicast address"
	case addr == broadcast:
		return "the broadcast address"
	default:
		return ""
	}
}

// isNear reports whether a plain address leads to this machine or its link, in whatever embedded form: no rule that names a host
// covers one, since a name leads where its owner likes.
func isNear(addr netip.Addr) bool {
	near := func(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() }
	return near(addr) || slices.ContainsFunc(embedded(addr), near)
}
