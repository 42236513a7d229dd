package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// secret stands for what somebody has put into the file by mistake: no error may show it.
const secret = "hunter2hunter2"

func hashText(token string) string {
	e := Entry{Hash: HashOf(token)}
	return strings.Fields(e.String())[1]
}

func TestParse(t *testing.T) {
	t.Parallel()
	token := NewToken()
	text := "# the callers\n\n  alice admin " + hashText(token) + "  \r\n" +
		"spiffe://fanout.test/ns/a/coordinator runner cert\n\t# end\nbob@fanout.test\treader\tcert"
	l, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse = %v", err)
	}
	want := []Entry{
		{Name: "alice", Role: Admin, Hash: HashOf(token)},
		{Name: "spiffe://fanout.test/ns/a/coordinator", Role: Runner, Cert: true},
		{Name: "bob@fanout.test", Role: Reader, Cert: true},
	}
	if got := l.Entries(); !cmp.Equal(got, want) {
		t.Errorf("Parse = %s", cmp.Diff(got, want))
	}
}

func TestParseNamesTheLineAndNotWhatIsInIt(t *testing.T) {
	t.Parallel()
	hash := hashText(NewToken())
	for _, tt := range []struct {
		name, text string
		line       int
	}{
		{"two fields", "a reader cert\n" + secret + " reader\n", 2},
		{"four fields", secret + " reader cert # comment", 1},
		{"no role", "a " + secret + " cert", 1},
		{"a role in capitals", secret + " Admin cert", 1},
		{"none is no role", secret + " none cert", 1},
		{"the token itself", "a reader fanout_" + secret, 1},
		{"a short hash", secret + " reader " + hash[:len(hash)-2], 1},
		{"a long hash", secret + " reader " + hash + "00", 1},
		{"no digits", secret + " reader sha256:" + strings.Repeat("x", 64), 1},
		{"another hash", secret + " reader md5:" + strings.Repeat("0", 64), 1},
		{"a name with an escape", secret + "\x1b[2J reader cert", 1},
		{"a name with a wildcard", "*." + secret + " reader cert", 1},
		{"a long name", secret + strings.Repeat("a", maxNameBytes) + " reader cert", 1},
		{"a name twice", "\n" + secret + " reader cert\n" + secret + " admin " + hash, 3},
		{"too many", manyEntries(maxEntries + 1), maxEntries + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := Parse(tt.text)
			var line *LineError
			if !errors.As(err, &line) || line.Line != tt.line || l != nil {
				t.Fatalf("Parse = %v, %v, want an error in line %d", l, err, tt.line)
			}
			if text := err.Error(); strings.Contains(text, secret) || strings.ContainsAny(text, "\x1b\n") {
				t.Errorf("Parse = %q, want nothing of the line", text)
			}
		})
	}
	if _, err := Parse(strings.Repeat("#", maxListBytes+1)); err == nil {
		t.Error("Parse of a huge file = no error, want one")
	}
	if l, err := Parse(manyEntries(maxEntries)); err != nil || len(l.Entries()) != maxEntries {
		t.Errorf("Parse of %d entries = %v, want them", maxEntries, err)
	}
}

func manyEntries(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "name-%d reader cert\n", i)
	}
	return text.String()
}

// Whatever a file has: it is refused without being quoted, or its entries written out are read as the same ones.
func FuzzParse(f *testing.F) {
	f.Add("# callers\nalice admin " + hashText(NewToken()) + "\nbob runner cert\n")
	f.Add("a reader sha256:00\n")
	f.Add("a reader cert\na admin cert")
	f.Add("\r\n \t\nspiffe://a/b@c runner cert # no")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := Parse(text)
		if err != nil {
			var line *LineError
			if l != nil || !errors.As(err, &line) && len(text) <= maxListBytes || strings.Contains(err.Error(), "\n") {
				t.Errorf("Parse(%q) = %v, %v", text, l, err)
			}
			return
		}
		names := map[string]bool{}
		var written strings.Builder
		for _, e := range l.Entries() {
			if !ValidName(e.Name) || names[e.Name] || e.Role < Reader || e.Role > Admin || e.Cert && e.Hash != (Hash{}) {
				t.Errorf("Parse(%q) has %+v", text, e)
			}
			names[e.Name] = true
			written.WriteString(e.String() + "\n")
		}
		again, err := Parse(written.String())
		if err != nil || !cmp.Equal(again.Entries(), l.Entries()) {
			t.Errorf("Parse(%q) = %v, %v, want what was read from %q", written.String(), again, err, text)
		}
	})
}
