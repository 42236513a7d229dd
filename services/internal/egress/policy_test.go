package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func policy(t *testing.T, rules ...string) Policy {
	t.Helper()
	p, err := ParsePolicy(rules)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// elsewhere is a dialer that resolves every name to the addresses, and notes what it dials instead of dialling it.
func elsewhere(p Policy, addrs ...string) (d *Dialer, dialled *[]string) {
	dialled = new([]string)
	return &Dialer{Policy: p, Lookup: answers(addrs...), DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		*dialled = append(*dialled, address)
		near, far := net.Pipe()
		_ = far.Close()
		return near, nil
	}}, dialled
}

// What a policy allows is dialled, and nothing else; the refusal names the rules that there are.
func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		rules   []string
		address string
		answers []string
		dialled string // "": blocked
		says    string
	}{
		{"nothing said: loopback", nil, "127.0.0.1:80", nil, "127.0.0.1:80", ""},
		{"nothing said: loopback of IPv6", nil, "[::1]:80", nil, "[::1]:80", ""},
		{"nothing said: mapped loopback", nil, "[::ffff:127.1.2.3]:80", nil, "127.1.2.3:80", ""},
		{"nothing said: a name of loopback", nil, "localhost:80", []string{"127.0.0.1"}, "127.0.0.1:80", ""},
		{"nothing said: elsewhere", nil, "10.0.0.1:80", nil, "", "10.0.0.1 is not allowed by this worker at port 80: --allow-target allows only localhost"},
		{"nothing said: a name of elsewhere", nil, "a.example:80", []string{"10.0.0.1"}, "", "a.example, which is 10.0.0.1, is not allowed by this worker at port 80"},
		{"everything", []string{"*"}, "a.example:80", []string{"127.0.0.1"}, "127.0.0.1:80", ""},
		{"everything at a port", []string{"*:443"}, "10.0.0.1:443", nil, "10.0.0.1:443", ""},
		{"everything at another port", []string{"*:443"}, "10.0.0.1:80", nil, "", "at port 80: --allow-target allows only *:443"},
		{"a name", []string{"a.example"}, "A.Example.:80", []string{"10.0.0.1"}, "10.0.0.1:80", ""},
		{"another name", []string{"a.example"}, "b.example:80", []string{"10.0.0.1"}, "", "b.example is not allowed by this worker at port 80: --allow-target allows only a.example"},
		{"a name that ends alike", []string{"a.example"}, "aa.example:80", []string{"10.0.0.1"}, "", "not allowed"},
		{"its address", []string{"a.example"}, "10.0.0.1:80", nil, "", "10.0.0.1 is not allowed"},
		{"below a name", []string{".example"}, "a.b.example:80", []string{"10.0.0.1"}, "10.0.0.1:80", ""},
		{"the name itself", []string{".example"}, "example:80", []string{"10.0.0.1"}, "", "not allowed"},
		{"a name with that ending", []string{".example"}, "anexample:80", []string{"10.0.0.1"}, "", "not allowed"},
		{"no label before it", []string{".example"}, ".example:80", []string{"10.0.0.1"}, "", "not allowed"},
		{"a name at a port of a range", []string{"a.example:8000-8099"}, "a.example:8099", []string{"10.0.0.1"}, "10.0.0.1:8099", ""},
		{"a name at a port beyond a range", []string{"a.example:8000-8099"}, "a.example:8100", []string{"10.0.0.1"}, "", "not allowed"},
		{"rebound to loopback", []string{"a.example"}, "a.example:80", []string{"127.0.0.1"}, "", "a.example, which is 127.0.0.1, is not allowed by this worker at port 80: --allow-target allows only a.example, and no name covers a loopback"},
		{"rebound to loopback, that has a rule", []string{"a.example", "127.0.0.1"}, "a.example:80", []string{"127.0.0.1"}, "127.0.0.1:80", ""},
		{"rebound to the link", []string{"a.example"}, "a.example:80", []string{"169.254.7.7"}, "", "no name covers"},
		{"the allowed ones of many", []string{"10.0.0.0/8"}, "a.example:80", []string{"192.168.0.1", "10.0.0.7"}, "10.0.0.7:80", ""},
		{"the near ones of a name left out", []string{"a.example"}, "a.example:80", []string{"127.0.0.1", "::1", "10.0.0.7"}, "10.0.0.7:80", ""},
		{"one always denied of many", []string{"*"}, "a.example:80", []string{"10.0.0.7", "169.254.169.254"}, "", "a.example, which is 169.254.169.254, is always denied: a cloud's metadata address"},
		{"none of many", []string{"10.0.0.0/8"}, "a.example:80", []string{"192.168.0.1", "192.168.0.2"}, "", "which is 192.168.0.1, is not allowed"},
		{"a CIDR", []string{"fd00::/8"}, "[fd00::7]:80", nil, "[fd00::7]:80", ""},
		{"a zone", []string{"fe80::/10"}, "[fe80::1%eth0]:80", nil, "[fe80::1%eth0]:80", ""},
		{"a CIDR of IPv4 does not cover IPv6", []string{"0.0.0.0/0"}, "[fd00::7]:80", nil, "", "not allowed"},
		{"a CIDR of IPv6 does not cover what is mapped", []string{"::/0"}, "[::ffff:10.0.0.1]:80", nil, "", "not allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, dialled := elsewhere(policy(t, tt.rules...), tt.answers...)
			conn, _, err := d.Dial(t.Context(), tt.address, nil)
			if err == nil {
				_ = conn.Close()
			}
			if got := strings.Join(*dialled, " "); got != tt.dialled {
				t.Errorf("Dial(%s) with %v dialled %q, want %q", tt.address, d.Policy, got, tt.dialled)
			}
			switch blocked := Blocked(err); {
			case tt.dialled != "" && err != nil, tt.dialled == "" && (blocked == nil || !strings.Contains(blocked.Error(), tt.says)):
				t.Errorf("Dial(%s) with %v = %v, want an error with %q", tt.address, d.Policy, err, tt.says)
			}
		})
	}
}

// Nobody is asked for a name that no answer could make an allowed one.
func TestNamesThatNobodyIsAskedFor(t *testing.T) {
	t.Parallel()
	asked := false
	d := Dialer{Policy: policy(t, "a.example", "*:443"), Lookup: func(context.Context, string) ([]netip.Addr, error) {
		asked = true
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}}
	if _, _, err := d.Dial(t.Context(), "secret.attacker.example:80", nil); Blocked(err) == nil || asked {
		t.Errorf("Dial() = %v, asked for the name: %v, want it blocked before", err, asked)
	}
}

// Both policies have to allow a target, and the refusal says whose rule it was.
func TestCallersPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, worker, caller, address, answer, says string
	}{
		{"both", "10.0.0.0/8", "10.1.0.0/16", "10.1.0.1:80", "", ""},
		{"the worker alone", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.1:80", "", "not allowed by the caller at port 80: allowed_targets allows only 10.1.0.0/16"},
		{"the caller alone", "10.0.0.0/8", "*", "192.168.0.1:80", "", "not allowed by this worker at port 80: --allow-target allows only 10.0.0.0/8"},
		{"a name that only the worker has", "a.example", "b.example", "a.example:80", "10.0.0.1", "not allowed by the caller"},
		{"a name of the worker, an address of the caller", "a.example", "10.0.0.0/8", "a.example:80", "10.0.0.1", ""},
		{"a name of the caller that is near", "*", "a.example", "a.example:80", "127.0.0.1", "not allowed by the caller"},
		{"metadata for both", "*", "169.254.169.254", "169.254.169.254:80", "", "always denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, dialled := elsewhere(policy(t, tt.worker), strings.Fields(tt.answer)...)
			callers := policy(t, tt.caller)
			conn, _, err := d.Dial(t.Context(), tt.address, &callers)
			if err == nil {
				_ = conn.Close()
			}
			blocked := Blocked(err)
			if (tt.says == "") != (err == nil) || (tt.says == "") != (len(*dialled) == 1) || blocked != nil && !strings.Contains(blocked.Error(), tt.says) {
				t.Errorf("Dial() = %v after dialling %v, want an error with %q", err, *dialled, tt.says)
			}
		})
	}
}

// A caller's rules only ever take away: whatever they are, what is dialled with them is dialled without them too, in the same order.
func TestNarrowingNeverWidens(t *testing.T) {
	t.Parallel()
	texts := []string{
		"*", "*:80", "localhost", "a.example", "a.example:80-90", ".example", "10.0.0.0/8", "10.1.0.0/16:80", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/0", "::/0", "fd00::/8", "::1",
	}
	addrs := []string{
		"10.0.0.1", "10.1.0.1", "127.0.0.1", "::1", "fd00::1", "fe80::1", "169.254.1.1", "169.254.169.254", "192.168.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "224.0.0.1", "2002:7f00:1::",
	}
	rapid.Check(t, func(t *rapid.T) {
		rules := rapid.SliceOfN(rapid.SampledFrom(texts), 0, 4)
		workers, err := ParsePolicy(rules.Draw(t, "worker"))
		if err != nil {
			t.Fatal(err)
		}
		callers, err := ParsePolicy(rules.Draw(t, "caller"))
		if err != nil {
			t.Fatal(err)
		}
		answer := rapid.SliceOfN(rapid.SampledFrom(addrs), 1, 3).Draw(t, "answer")
		var found []netip.Addr
		for _, a := range answer {
			found = append(found, netip.MustParseAddr(a))
		}
		d := Dialer{Policy: workers}
		host := rapid.SampledFrom([]string{"a.example", "b.a.example", "localhost", "x"}).Draw(t, "host")
		port := rapid.SampledFrom([]uint16{80, 85, 443}).Draw(t, "port")
		wide, narrow := d.guard(host, port, nil), d.guard(host, port, &callers)
		if wide.beforeLookup() != nil && narrow.beforeLookup() == nil {
			t.Fatalf("the caller's %v lets %s be looked up, which %v alone does not", callers, host, workers)
		}
		all, _ := wide.allowed(found)
		some, _ := narrow.allowed(found)
		for _, addr := range some {
			if len(all) == 0 || all[0] != addr {
				for len(all) > 0 && all[0] != addr {
					all = all[1:]
				}
			}
			if len(all) == 0 {
				t.Fatalf("the caller's %v has %v dialled, which %v alone does not", callers, addr, workers)
			}
			all = all[1:]
		}
		if narrow.beforeLookup() != nil && len(some) > 0 {
			t.Fatalf("%s is refused before its look-up, and %v would be allowed", host, some)
		}
		if name := rapid.SampledFrom([]string{"a.example", "c.example", "localhost", "10.0.0.1", "169.254.169.254"}).Draw(t, "name"); d.CheckName(name, host, port, nil) != nil && d.CheckName(name, host, port, &callers) == nil {
			t.Fatalf("the caller's %v lets %s be named, which %v alone does not", callers, name, workers)
		}
	})
}

// A name beside the target's own has to be allowed as a target itself.
func TestCheckName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rules, name, host string
		allowed           bool
	}{
		{"localhost", "127.0.0.1:8080", "127.0.0.1", true},
		{"localhost", "127.0.0.1:9999", "127.0.0.1", true},
		{"localhost", "localhost", "127.0.0.1", true},
		{"127.0.0.0/8", "localhost:80", "127.0.0.1", true},
		{"localhost", "[::1]:80", "127.0.0.1", true},
		{"localhost", "internal.example", "127.0.0.1", false},
		{"localhost", "10.0.0.1", "127.0.0.1", false},
		{"a.example", "A.Example.:80", "a.example", true},
		{"a.example", "b.example", "a.example", false},
		{"a.example", "localhost", "a.example", false},
		{"a.example b.example", "b.example:80", "a.example", true},
		{"a.example b.example:81", "b.example", "a.example", false},
		{"a.example .example", "b.c.example", "a.example", true},
		{"*", "anything.example", "10.0.0.1", true},
		{"*", "169.254.169.254", "10.0.0.1", false},
		{"*", "[::ffff:169.254.169.254]:80", "10.0.0.1", false},
		{"10.0.0.0/8", "10.9.9.9", "10.0.0.1", true},
		{"10.0.0.0/8", "internal.example", "10.0.0.1", false},
		{"[::1]", "[0:0::1]:80", "::1", true},
	} {
		d := Dialer{Policy: policy(t, strings.Fields(tt.rules)...)}
		blocked := d.CheckName(tt.name, tt.host, 80, nil)
		if (blocked == nil) != tt.allowed {
			t.Errorf("CheckName(%s) to %s with %s = %v, want it allowed: %v", tt.name, tt.host, tt.rules, blocked, tt.allowed)
		}
		if blocked != nil && !strings.Contains(blocked.Error(), "named to "+tt.host) {
			t.Errorf("CheckName(%s) to %s = %v, want the target named", tt.name, tt.host, blocked)
		}
	}
	everything := Dialer{Policy: Everything()}
	callers := policy(t, "a.example")
	if blocked := everything.CheckName("b.example", "a.example", 80, &callers); blocked == nil || !strings.Contains(blocked.Error(), "allowed by the caller") {
		t.Errorf("CheckName() = %v, want it refused by the caller's rules", blocked)
	}
}

// However many rules there are, and however long they and the host are, a refusal is one line that a message has room for.
func TestRefusalsAreShort(t *testing.T) {
	t.Parallel()
	var rules []string
	for range 64 {
		rules = append(rules, strings.Repeat("a", 40)+"."+strings.Repeat("b", 20+len(rules)%40)+".example")
	}
	d := Dialer{Policy: policy(t, rules...)}
	_, _, err := d.Dial(t.Context(), strings.Repeat("c", 60)+"."+strings.Repeat("d", 60)+".example:80", nil)
	if blocked := Blocked(err); blocked == nil || len(blocked.Error()) > 256 || !strings.Contains(blocked.Error(), "more") {
		t.Errorf("Dial() = %v of %d bytes, want at most 256", err, len(err.Error()))
	}
}
