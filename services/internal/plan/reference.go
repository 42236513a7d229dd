package plan

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Source is where a secret is kept on the worker that sends it.
type Source string

// The sources.
const (
	SourceEnv  Source = "env"  // a variable of its environment
	SourceFile Source = "file" // a file
)

// Reference stands in a header's value or in a body for a secret that only the worker has: ${env:NAME} or ${file:PATH}.
type Reference struct {
	Source Source
	Name   string // of the variable, or the file's path
}

// String is the reference as it is written.
func (r Reference) String() string { return "${" + string(r.Source) + ":" + r.Name + "}" }

// Piece is a part of a text: a reference, or what stands beside it.
type Piece struct {
	Literal   string // as it is to be sent; "" with a reference
	Reference *Reference
}

// maxReferenceBytes bounds the name in a reference. What is longer is no reference, but text that happens to begin like one.
const maxReferenceBytes = 1024

// Pieces is the text in its parts, in order. Only ${env:…} and ${file:…} are references, whatever stands at the dots, if it is
// without control characters; $${env:…} is ${env:…} as text. Every other $ stands for itself, since bodies are full of them.
func Pieces(text string) iter.Seq[Piece] {
	return func(yield func(Piece) bool) {
		for text != "" {
			at, length, found := nextReference(text)
			escaped := found != nil && at > 0 && text[at-1] == '$'
			literal := text[:at]
			if escaped {
				literal = text[:at-1] + found.String()
			}
			if literal != "" && !yield(Piece{Literal: literal}) {
				return
			}
			if found != nil && !escaped && !yield(Piece{Reference: found}) {
				return
			}
			text = text[at+length:]
		}
	}
}

// nextReference is where the next reference begins, how long it is written, and which it is; without one all of the text is before
// it.
func nextReference(text string) (at, length int, found *Reference) {
	for from := 0; ; {
		open := strings.Index(text[from:], "${")
		if open < 0 {
			return len(text), 0, nil
		}
		at = from + open
		for _, source := range []Source{SourceEnv, SourceFile} {
			rest, is := strings.CutPrefix(text[at+len("${"):], string(source)+":")
			if !is {
				continue
			}
			if name, _, closed := strings.Cut(rest[:min(len(rest), maxReferenceBytes+1)], "}"); closed && isReferenceName(name) {
				r := &Reference{source, name}
				return at, len(r.String()), r
			}
		}
		from = at + len("${")
	}
}

func isReferenceName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// HasReferences reports whether something in the text is to be replaced before it is sent: a reference, or one that is escaped.
func HasReferences(text string) bool {
	_, _, found := nextReference(text)
	return found != nil
}
