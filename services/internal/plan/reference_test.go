package plan

import (
	"fmt"
	"strings"
	"testing"
)

// written is the pieces of a text, each in brackets, references in angles.
func written(text string) string {
	var b strings.Builder
	for p := range Pieces(text) {
		if p.Reference != nil {
			fmt.Fprintf(&b, "<%s %s>", p.Reference.Source, p.Reference.Name)
			continue
		}
		fmt.Fprintf(&b, "[%s]", p.Literal)
	}
	return b.String()
}

func TestPieces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"plain", "[plain]"},
		{"${env:TOKEN}", "<env TOKEN>"},
		{"Bearer ${env:TOKEN}", "[Bearer ]<env TOKEN>"},
		{"${file:/run/secrets/a b}${env:B}.", "<file /run/secrets/a b><env B>[.]"},
		{"a$${env:A}b", "[a${env:A}][b]"},
		{"$$${env:A}", "[$${env:A}]"},
		{"$${env:A}${env:B}", "[${env:A}]<env B>"},
		{"${env:A}$${file:B}$", "<env A>[${file:B}][$]"},
		// All other dollars are text.
		{"$${price} ${HOME} $5 ${ENV:A} ${env} ${env:} ${file:}", "[$${price} ${HOME} $5 ${ENV:A} ${env} ${env:} ${file:}]"},
		{"${env:A", "[${env:A]"},
		{"${env:A\nB} ${env:C}", "[${env:A\nB} ]<env C>"},
		{"${env:\xff}", "[${env:\xff}]"},
		{"${env:${env:A}", "<env ${env:A>"}, // up to the first brace; no variable has such a name
		{"${env:A:-b}", "<env A:-b>"},
		{"${" + "${env:A}", "[${]<env A>"},
		{"${env:" + strings.Repeat("A", maxReferenceBytes) + "}", "<env " + strings.Repeat("A", maxReferenceBytes) + ">"},
		{"${env:" + strings.Repeat("A", maxReferenceBytes+1) + "}", "[${env:" + strings.Repeat("A", maxReferenceBytes+1) + "}]"},
	} {
		if got := written(tt.text); got != tt.want {
			t.Errorf("Pieces(%q) = %s, want %s", tt.text, got, tt.want)
		}
		if got, want := HasReferences(tt.text), strings.Contains(tt.want, "<") || strings.Contains(tt.text, "$${env:A"); got != want {
			t.Errorf("HasReferences(%q) = %v, want %v", tt.text, got, want)
		}
	}
}

// A caller that wants to stop may.
func TestPiecesEnd(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a${env:A}b", "${env:A}b"} {
		for p := range Pieces(text) {
			if p.Literal == "b" {
				t.Errorf("Pieces(%q) went on after its first", text)
			}
			break
		}
	}
}
