package report

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean is a text from elsewhere as it may be shown on a terminal, in one line; see clean. What this package writes is clean already.
func Clean(s string) string { return clean(s) }

// clean is s as it may be shown on a terminal, in one line: control characters (ESC, CR, LF, C1), format characters (the
// bidi overrides and isolates, zero-width ones), line separators and bytes that are not UTF-8 appear as Go escapes. Quotes
// and backslashes stay as they are, so the result is for reading, not for parsing.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case hidden(r):
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// hidden reports whether r has no shape of its own, so that it could only act on what is around it.
func hidden(r rune) bool { return !strconv.IsGraphic(r) }

// cleanLines is a text of several lines as it may be shown: as clean, but tabs stay and lines end where they ended, be it
// with LF or CRLF. The last line's end adds no empty line.
func cleanLines(s string) []string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, line := range lines {
		cells := strings.Split(line, "\t")
		for j, cell := range cells {
			cells[j] = clean(cell)
		}
		lines[i] = strings.Join(cells, "\t")
	}
	return lines
}

// escapeHidden writes the hidden characters of a JSON document as \u escapes. In JSON such characters can only stand in strings,
// and encoding/json has escaped those below space, so the document means the same; but C1 controls and bidi overrides, which
// it lets pass, cannot act on a terminal that the document is printed on.
func escapeHidden(document []byte) []byte {
	escaped := make([]byte, 0, len(document))
	for _, r := range string(document) {
		switch {
		case r == '\n' || !hidden(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xFFFF:
			r -= 0x10000
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped
}

// columns is how many columns of a terminal s takes, s being clean.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is right for what messages are made of. (The full rules need tables that the standard library has not.)
func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1100 && r <= 0x115F, // Hangul
		r >= 0x2E80 && r <= 0xA4CF, // CJK, kana
		r >= 0xAC00 && r <= 0xD7A3, // Hangul
		r >= 0xF900 && r <= 0xFAFF,
		r >= 0xFE30 && r <= 0xFE6F,
		r >= 0xFF00 && r <= 0xFF60, // full-width forms
		r >= 0xFFE0 && r <= 0xFFE6,
		r >= 0x1F300 && r <= 0x1FAFF, // emoji
		r >= 0x20000 && r <= 0x3FFFD:
		return 2
	default:
		return 1
	}
}

// cut is s, being clean, in at most width columns; what is cut off shows as an ellipsis.
func cut(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	used := 1 // the ellipsis
	for at, r := range s {
		if used += runeColumns(r); used > width {
			return strings.TrimRight(s[:at], " ") + "…"
		}
	}
	return s
}

// wrap sets pieces into lines of at most width columns, with a space between two of a line; lines after the first begin with
// indent spaces. A piece that is too long for a line has one of its own, cut.
func wrap(pieces []string, width, indent int) []string {
	var lines []string
	line := ""
	for _, piece := range pieces {
		switch {
		case line == "":
			line = piece
		case columns(line)+1+columns(piece) <= width:
			line += " " + piece
		default:
			lines = append(lines, cut(line, width))
			line = strings.Repeat(" ", indent) + piece
		}
	}
	return append(lines, cut(line, width))
}
