package egress

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// forms is the IPv6 addresses that embed an IPv4 address, and its mapped form.
func forms(v4 string) map[string]string {
	b := netip.MustParseAddr(v4).As4()
	tail := fmt.Sprintf("%02x%02x:%02x%02x", b[0], b[1], b[2], b[3])
	inverted := fmt.Sprintf("%02x%02x:%02x%02x", ^b[0], ^b[1], ^b[2], ^b[3])
	return map[string]string{
		"as it is":                  v4,
		"mapped":                    "::ffff:" + v4,
		"compatible":                "::" + tail,
		"translated":                "::ffff:0:" + tail,
		"NAT64":                     "64:ff9b::" + tail,
		"local NAT64, 96 bits":      "64:ff9b:1::" + tail,
		"local NAT64, 96 bits more": "64:ff9b:1:2:3:4:" + tail,
		"local NAT64, 48 bits":      fmt.Sprintf("64:ff9b:1:%02x%02x:%02x:%02x00::", b[0], b[1], b[2], b[3]),
		"local NAT64, 56 bits":      fmt.Sprintf("64:ff9b:1:%02x:%02x:%02x%02x::", b[0], b[1], b[2], b[3]),
		"local NAT64, 64 bits":      fmt.Sprintf("64:ff9b:1:0:%02x:%02x%02x:%02x00::", b[0], b[1], b[2], b[3]),
		"6to4":                      "2002:" + tail + "::1",
		"ISATAP":                    "2001:db8::5efe:" + tail,
		"ISATAP, link-local":        "fe80::200:5efe:" + tail,
		"Teredo server":             "2001:0:" + tail + "::1",
		"Teredo client":             "2001::1:0:" + inverted,
	}
}

// What is always denied is so in every form, with every policy, and the refusal says why.
func TestAlwaysDeniedInEveryForm(t *testing.T) {
	t.Parallel()
	for v4, why := range map[string]string{
		"169.254.169.254": "metadata", "169.254.170.2": "metadata", "169.254.170.23": "metadata", "100.100.100.200": "metadata",
		"192.0.0.192": "metadata", "168.63.129.16": "metadata", "0.0.0.0": "unspecified", "0.1.2.3": "unspecified",
		"224.0.0.1": "multicast", "239.255.255.255": "multicast", "255.255.255.255": "broadcast",
	} {
		for form, addr := range forms(v4) {
			if why == "unspecified" && (strings.HasPrefix(form, "local NAT64") || strings.HasPrefix(form, "Teredo")) {
				continue // there are several places for an address, and zeros are a gap
			}
			for _, rules := range [][]string{{"*"}, {"0.0.0.0/0", "::/0"}, {v4}, {addr}, {"localhost"}} {
				p, err := ParsePolicy(rules)
				if err != nil {
					t.Fatal(err)
				}
				d := Dialer{Policy: p}
				if blocked := d.guard(addr, 80, nil).check(netip.MustParseAddr(addr)); blocked == nil || !strings.Contains(blocked.Error(), "always denied: ") || !strings.Contains(blocked.Error(), why) {
					t.Errorf("%s of %s, %s, with %v = %v, want it denied as %s", form, v4, addr, p, blocked, why)
				}
			}
		}
	}
	for addr, why := range map[string]string{
		"fd00:ec2::254": "metadata", "fd00:ec2::23": "metadata", "fd00:ec2::254%eth0": "metadata", "::": "unspecified", "ff02::1": "multicast", "ff0e::1%eth0": "multicast",
	} {
		d := Dialer{Policy: Everything()}
		if blocked := d.guard(addr, 80, nil).check(netip.MustParseAddr(addr)); blocked == nil || !strings.Contains(blocked.Error(), why) {
			t.Errorf("%s = %v, want it denied as %s", addr, blocked, why)
		}
	}
}

// A rule that names a host covers no address of this machine or its link, in no form; one that names the address does.
func TestNamesDoNotCoverWhatIsNear(t *testing.T) {
	t.Parallel()
	rules, err := ParsePolicy([]string{"example.internal", ".internal"})
	if err != nil {
		t.Fatal(err)
	}
	named := Dialer{Policy: rules}
	near := []string{"::1", "fe80::1", "fe80::1%eth0"}
	for _, v4 := range []string{"127.0.0.1", "127.255.255.254", "169.254.1.1"} {
		for _, addr := range forms(v4) {
			near = append(near, addr)
		}
	}
	for _, addr := range near {
		at := netip.MustParseAddr(addr)
		if blocked := named.guard("example.internal", 80, nil).check(at); blocked == nil || !strings.Contains(blocked.Error(), "no name covers a loopback or link-local address") {
			t.Errorf("example.internal at %s = %v, want it refused", addr, blocked)
		}
		covering, err := ParsePolicy([]string{plain(at).String()})
		if err != nil {
			t.Fatal(err)
		}
		addressed := Dialer{Policy: covering}
		if blocked := addressed.guard("example.internal", 80, nil).check(at); blocked != nil {
			t.Errorf("%s, which has a rule of its own, = %v, want it allowed", addr, blocked)
		}
	}
	far := []string{"192.168.1.1", "203.0.113.1", "fd00::1", "2001:db8::1"}
	for _, addr := range forms("10.0.0.1") {
		if !netip.MustParseAddr(addr).IsLinkLocalUnicast() {
			far = append(far, addr)
		}
	}
	for _, addr := range far {
		if blocked := named.guard("Example.Internal.", 80, nil).check(netip.MustParseAddr(addr)); blocked != nil {
			t.Errorf("example.internal at %s = %v, want it allowed", addr, blocked)
		}
	}
}
