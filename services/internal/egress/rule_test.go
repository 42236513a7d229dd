package egress

import (
	"strings"
	"testing"
)

// What is written in many ways has one usual form.
func TestParseRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"*": "*", "*:80": "*:80", "*:1-65535": "*:1-65535",
		"example.internal": "example.internal", "EXAMPLE.Internal.": "example.internal", "example.internal:8080": "example.internal:8080",
		"a_b.example": "a_b.example", "7.example": "7.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example:80": "xn--bcher-kva.example:80",
		".example.internal": ".example.internal", "*.example.internal": ".example.internal", "*.Example.internal.:80-90": ".example.internal:80-90",
		"localhost": "localhost", "LOCALHOST.": "localhost", "localhost:8000-8099": "localhost:8000-8099", "ｌocalhost": "localhost",
		".localhost": ".localhost", "a.localhost": "a.localhost",
		"10.0.0.1": "10.0.0.1", "10.0.0.1:80": "10.0.0.1:80", "10.0.0.0/8": "10.0.0.0/8", "10.0.0.0/8:80-81": "10.0.0.0/8:80-81", "10.0.0.1/32": "10.0.0.1",
		"0.0.0.0/0": "0.0.0.0/0", "::/0": "::/0", "[::/0]:443": "[::/0]:443",
		"fd00::1": "fd00::1", "FD00:0::0001": "fd00::1", "[fd00::1]": "fd00::1", "[fd00::1]:443": "[fd00::1]:443", "[fd00::/8]:443": "[fd00::/8]:443", "fd00::/8": "fd00::/8",
		"::ffff:10.0.0.1": "10.0.0.1", "[::ffff:a00:1]:80": "10.0.0.1:80", "example.internal:80-80": "example.internal:80",
	} {
		if got, err := ParseRule(text); err != nil || got.String() != want {
			t.Errorf("ParseRule(%q) = %v, %v, want %s", text, got, err, want)
		}
	}
}

// What could be meant in two ways, or looks like an address that some resolvers read in another way, is no rule.
func TestTextsThatAreNoRule(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "empty", ":80": "no host before it", "example.internal:": "no port behind it", "example.internal:0": "port is not one", "example.internal:080": "port is not one",
		"example.internal:65536": "port is not one", "example.internal:http": "port is not one", "example.internal:90-80": "backwards", "example.internal:80-": "port is not one",
		"example.internal:-80": "port is not one", "example.internal:80-90-99": "port is not one", "example.internal:+80": "port is not one",
		"http://example.internal": "scheme", "https://example.internal:80": "scheme", "example.internal/path": "no CIDR", "user@example.internal": "neither", "example internal": "neither",
		"a,b": "neither", "*example.internal": "neither", "*.*": "neither", "a.*": "neither", "**": "neither", ".": "neither", "*.": "neither", "..example": "neither", "-a": "neither",
		"127.1": "ends in a number", "0x7f.1": "ends in a number", "0x7f000001": "ends in a number", "2130706433": "ends in a number", "0177.0.0.1": "ends in a number",
		"017700000001": "ends in a number", "1.2.3.4.5": "ends in a number", "256.0.0.1": "ends in a number", "127.0.0.1.": "ends in a number", "*.1": "ends in a number",
		"１２７.０.０.１": "ends in a number", "a.0x7F": "ends in a number", "a.0x": "ends in a number",
		"fe80::1%eth0": "zone", "[fe80::1%25eth0]:80": "zone", "::1:80:": "no address", "fd00::/8:443": "no CIDR", "[fd00::1": "bracket without its end",
		"[fd00::1]443": "not followed by a colon", "[fd00::1]:": "not followed by a colon", "[example.internal]:80": "no IPv6 address", "[10.0.0.1]:80": "no IPv6 address",
		"10.1.2.3/8": "10.0.0.0/8", "10.0.0.0/33": "no CIDR", "10.0.0/8": "no CIDR", "::ffff:10.0.0.0/104": "IPv4 addresses in IPv6", "fd00::1/8": "bits beyond",
		"xn--ü.example": "not a name in DNS", "\u202e.example": "not a name in DNS", "a\x00b": "neither", strings.Repeat("a", 64) + ".example": "neither",
		strings.Repeat("a.", 200): "beyond the 300",
	} {
		if got, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRule(%q) = %v, %v, want an error with %q", text, got, err, want)
		}
	}
	if _, err := ParsePolicy([]string{"localhost", "127.1"}); err == nil || !strings.Contains(err.Error(), `"127.1" is not a rule`) {
		t.Errorf("ParsePolicy() = %v, want the rule named", err)
	}
}
