package report

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", `say "hi" \o/`, `say "hi" \o/`},
		{"letters of all kinds", "naïve 漢字 عربي 🙂", "naïve 漢字 عربي 🙂"},
		{"colour", "\x1b[31mred", `\x1b[31mred`},
		{"carriage return", "a\rb", `a\rb`},
		{"line feed, tab, bell, NUL, DEL", "\n\t\a\x00\x7f", `\n\t\a\x00\x7f`},
		{"C1: CSI in one character", "\u009b31m", `\u009b31m`},
		{"bidi override", "a\u202eb", `a\u202eb`},
		{"bidi isolates", "\u2066\u2069", `\u2066\u2069`},
		{"zero width", "a\u200bb\u200d\ufeff", `a\u200bb\u200d\ufeff`},
		{"line separators", "\u2028\u2029", `\u2028\u2029`},
		{"beyond 16 bits", "\U000e0041", `\U000e0041`},
		{"private use", "\ue000", `\ue000`},
		{"not UTF-8", "a\xff\xc3", `a\xff\xc3`},
		{"a true U+FFFD", "a\ufffd", "a\ufffd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := clean(tt.in); got != tt.want {
				t.Errorf("clean(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestCleanLines(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want []string
	}{
		{"", []string{""}},
		{"a", []string{"a"}},
		{"a\n", []string{"a"}},
		{"a\r\nb\n\n", []string{"a", "b", ""}},
		{"a\rb\tc\x1b[2J", []string{`a\rb` + "\t" + `c\x1b[2J`}},
	} {
		if got := cleanLines(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("cleanLines(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// Whatever comes, nothing hidden goes out, cleaning again changes nothing, and the JSON that is escaped reads the same.
func FuzzClean(f *testing.F) {
	for _, s := range []string{evil, "plain", "\u009b\U000e0041", "\x00\xff", `\x1b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) || strings.IndexFunc(got, hidden) >= 0 {
			t.Errorf("clean(%q) = %q, which has hidden characters", s, got)
		}
		if again := clean(got); again != got {
			t.Errorf("clean(%q) = %q, want it unchanged", got, again)
		}
		for _, width := range []int{1, 7, 40} {
			if short := cut(got, width); columns(short) > width {
				t.Errorf("cut(%q, %d) = %q, of %d columns", got, width, short, columns(short))
			}
		}
		document, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		escaped := escapeHidden(document)
		if strings.IndexFunc(string(escaped), hidden) >= 0 {
			t.Errorf("escapeHidden(%s) = %s, which has hidden characters", document, escaped)
		}
		var read string
		if err := json.Unmarshal(escaped, &read); err != nil {
			t.Fatalf("reading %s: %v", escaped, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && read != want {
			t.Errorf("escapeHidden(%s) reads %q, want %q", document, read, want)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		width int
		want  string
	}{
		{"abc", 3, "abc"},
		{"abcd", 3, "ab…"},
		{"ab cd", 4, "ab…"},
		{"漢字", 4, "漢字"},
		{"漢字", 3, "漢…"},
		{"漢字", 2, "…"},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"abc", 0, "…"},
	} {
		if got := cut(tt.in, tt.width); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pieces []string
		want   []string
	}{
		{[]string{"a"}, []string{"a"}},
		{[]string{"aaaa", "bbbbb", "c"}, []string{"aaaa bbbbb", "  c"}},
		{[]string{"a", strings.Repeat("b", 20), "c"}, []string{"a", "  bbbbbbb…", "  c"}},
	} {
		if got := wrap(tt.pieces, 10, 2); !slices.Equal(got, tt.want) {
			t.Errorf("wrap(%q) = %q, want %q", tt.pieces, got, tt.want)
		}
	}
}
