package egress

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

// Whatever a rule's text is: it is refused with a sentence, or its usual form is the same rule, which allows what one who reads that form
// would expect.
func FuzzParseRule(f *testing.F) {
	for _, text := range []string{
		"*", "*:443", "*.example.internal", ".example.internal:80-90", "example.internal", "Example.Internal.:8080", "bücher.example", "localhost",
		"localhost:1-65535", "127.0.0.1", "10.0.0.0/8:443", "[fd00::/8]:443", "fd00::1", "[::1]", "::ffff:10.0.0.1", "0x7f.1", "2130706433", "fe80::1%eth0", "0.0.0.0/0", "::/0",
	} {
		f.Add(text, "example.internal", []byte{127, 0, 0, 1}, uint16(443))
		f.Add(text, "a.example.internal", []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, uint16(80))
	}
	f.Fuzz(func(t *testing.T, text, host string, bytes []byte, port uint16) {
		rule, err := ParseRule(text)
		if err != nil {
			if said := err.Error(); said == "" || strings.ContainsAny(said, "\n\r") || said != strings.ToValidUTF8(said, "") {
				t.Errorf("ParseRule(%q) is refused with %q, want one sentence", text, said)
			}
			return
		}
		usual := rule.String()
		if again, err := ParseRule(usual); err != nil || again != rule || again.String() != usual {
			t.Fatalf("ParseRule(%q) is %q, which is %v, %v, want the same rule", text, usual, again, err)
		}
		addr, ok := netip.AddrFromSlice(bytes)
		if !ok {
			return
		}
		host = normal(host)
		got := Policy{[]Rule{rule}}.allows(host, netip.AddrPortFrom(plain(addr), port))
		if want := reads(t, usual, host, plain(addr), port); got != want {
			t.Errorf("rule %q allows %v at port %d, looked up as %q: %v, want %v", usual, addr, port, host, got, want)
		}
	})
}

// reads is whether somebody who reads a rule in its usual form would say that it allows a dial.
func reads(t *testing.T, usual, host string, addr netip.Addr, port uint16) bool {
	t.Helper()
	target := usual
	if colon := strings.LastIndexByte(usual, ':'); colon >= 0 && (strings.Count(usual, ":") == 1 || usual[colon-1] == ']') {
		target = strings.Trim(usual[:colon], "[]")
		first, last, _ := strings.Cut(usual[colon+1:], "-")
		if last == "" {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		to, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		if int(port) < from || int(port) > to {
			return false
		}
	}
	if target == "*" {
		return true
	}
	if target == "localhost" {
		return addr == netip.IPv6Loopback() || addr.Is4() && addr.As4()[0] == 127
	}
	if one, err := netip.ParseAddr(target); err == nil {
		return one == addr
	}
	if base, length, isPrefix := strings.Cut(target, "/"); isPrefix {
		n, err := strconv.Atoi(length)
		if err != nil {
			t.Fatal(err)
		}
		return sameBits(netip.MustParseAddr(base), addr, n)
	}
	if suffix, isSuffix := strings.CutPrefix(target, "."); isSuffix {
		if len(host) <= len(suffix)+1 || host[len(host)-len(suffix)-1:] != "."+suffix {
			return false
		}
	} else if host == "" || host != target {
		return false
	}
	return !isNear(addr)
}

// sameBits reports whether two addresses of a kind have their first n bits in common.
func sameBits(a, b netip.Addr, n int) bool {
	if a.Is4() != b.Is4() {
		return false
	}
	x, y := a.AsSlice(), b.AsSlice()
	for i := range n {
		if (x[i/8]^y[i/8])>>(7-i%8)&1 != 0 {
			return false
		}
	}
	return true
}
