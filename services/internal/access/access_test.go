package access

import (
	"errors"
	"strings"
	"testing"
)

func listOf(t *testing.T, lines ...string) *List {
	t.Helper()
	l, err := Parse(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTokens(t *testing.T) {
	t.Parallel()
	alice, bob := NewToken(), NewToken()
	password := "correct horse battery staple"
	l := listOf(t, "bob reader "+hashText(bob), "carol admin cert", "alice admin "+hashText(alice), "dave admin "+hashText(password),
		"zero admin "+hashPrefix+strings.Repeat("0", 64))
	for token, want := range map[string]Caller{alice: {"alice", Admin}, bob: {"bob", Reader}} {
		if got, err := l.token(token); got != want || err != nil {
			t.Errorf("token of %s = %v, %v", want.Subject, got, err)
		}
	}
	for name, token := range map[string]string{
		"none":                     "",
		"another token":            NewToken(),
		"in capitals":              strings.ToUpper(alice),
		"without its prefix":       strings.TrimPrefix(alice, tokenPrefix),
		"with more behind it":      alice + "a",
		"cut":                      alice[:len(alice)-1],
		"a space before it":        " " + alice,
		"a password that is there": password, // nobody makes tokens of their own
		"a name":                   "carol",
		"huge":                     strings.Repeat(alice, 1000),
	} {
		if got, err := l.token(token); got != (Caller{}) || !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: token = %v, %v, want ErrUnknown", name, got, err)
		}
	}
}

func TestTokensAreNotAlike(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := NewToken()
		if !isToken(token) || seen[token] {
			t.Fatalf("NewToken = %q, want a token of its own", token)
		}
		seen[token] = true
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	token := NewToken()
	file := &File{list: listOf(t, "carol admin cert", "eve reader cert", "alice admin "+hashText(token))}
	file.now, file.checked = nowIs(noon), noon
	for _, tt := range []struct {
		identity string
		certRole Role
		want     Caller
	}{
		{"carol", Reader, Caller{"carol", Admin}},
		{"eve", Runner, Caller{"eve", Reader}},
		{"mallory", Runner, Caller{"mallory", Runner}},
		{"mallory", None, Caller{"mallory", None}},
		{"alice", Reader, Caller{"alice", Reader}}, // the line of a token gives a certificate nothing
	} {
		c := &Control{Tokens: file, CertRole: tt.certRole}
		if got, err := c.Certificate(tt.identity); got != tt.want || err != nil {
			t.Errorf("Certificate(%q) with %v = %v, %v, want %v", tt.identity, tt.certRole, got, err, tt.want)
		}
	}
	for _, control := range []*Control{{}, {Tokens: file}} {
		for _, identity := range []string{"", "*.fanout.test", "a b", "a\nb", strings.Repeat("a", 129)} {
			if got, err := control.Certificate(identity); !errors.Is(err, ErrUnknown) {
				t.Errorf("Certificate(%q) = %v, %v, want ErrUnknown", identity, got, err)
			}
		}
	}
	if got, err := new(Control).Token(token); !errors.Is(err, ErrUnknown) {
		t.Errorf("Token without a file = %v, %v, want ErrUnknown", got, err)
	}
}

func TestWhoMayEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		caller  Caller
		subject string
		want    bool
	}{
		{Caller{"a", Runner}, "a", true},
		{Caller{"a", Runner}, "b", false},
		{Caller{"a", Runner}, "", false}, // of a time without access control
		{Caller{"a", Admin}, "b", true},
		{Caller{"a", Admin}, "", true},
		{Caller{"a", Reader}, "a", false},
		{anybody, "", true},
		{anybody, "a", true},
	} {
		if got := tt.caller.MayEnd(tt.subject); got != tt.want {
			t.Errorf("%v.MayEnd(%q) = %v, want %v", tt.caller, tt.subject, got, tt.want)
		}
	}
	ctx := WithCaller(t.Context(), Caller{"a", Reader})
	if CallerOf(ctx) != (Caller{"a", Reader}) || CallerOf(t.Context()) != anybody {
		t.Errorf("CallerOf = %v, %v", CallerOf(ctx), CallerOf(t.Context()))
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, role := range []Role{Reader, Runner, Admin} {
		if got, ok := ParseRole(role.String()); got != role || !ok {
			t.Errorf("ParseRole(%q) = %v, %v", role, got, ok)
		}
	}
	for _, name := range []string{"", "none", "ADMIN", "root"} {
		if got, ok := ParseRole(name); ok {
			t.Errorf("ParseRole(%q) = %v, want none", name, got)
		}
	}
	if _, ok := Needed("/fanout.v1.WorkerService/Reboot"); ok {
		t.Error("Needed of a method that is not there = ok, want it refused")
	}
}
