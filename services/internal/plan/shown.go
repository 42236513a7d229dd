package plan

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Shown is the plan as anybody may see it, and as it is kept when its run is over: a plan of the same load, in which a placeholder
// stands for header values, bodies, and the userinfo, query and fragment of URLs, and which has no key. References stay, since they
// say only where a secret is; so do Host headers, which say whom the requests go to. Shown of what is shown is the same.
func (p *Plan) Shown() *Plan {
	if p == nil {
		return nil
	}
	shown := *p
	shown.HTTP.TLS.KeyPEM = ""
	shown.Requests = slices.Clone(p.Requests)
	for i := range shown.Requests {
		r := &shown.Requests[i]
		r.URL = ShownURL(r.URL)
		r.Headers = slices.Clone(r.Headers)
		for k := range r.Headers {
			if h := &r.Headers[k]; !strings.EqualFold(h.Name, "Host") {
				h.Value = Secret(shownText(string(h.Value)))
			}
		}
		if len(r.Body) > 0 {
			r.Body = SecretBytes(shownText(string(r.Body)))
		}
	}
	return &shown
}

// shownText is text with a placeholder for all that is no reference.
func shownText(text string) string {
	if text == "" {
		return ""
	}
	if !utf8.ValidString(text) || !HasReferences(text) { // bytes that are no text have no references
		return placeholder
	}
	var b strings.Builder
	hidden := false // what was written last is the placeholder
	for piece := range Pieces(text) {
		switch {
		case piece.Reference != nil:
			b.WriteString(piece.Reference.String())
		case !hidden:
			b.WriteString(placeholder)
		}
		hidden = piece.Reference == nil
	}
	return b.String()
}

// shownUser stands for a userinfo, in which the placeholder's brackets may not stand (RFC 3986, section 3.2.1).
const shownUser = "redacted"

// ShownURL is a URL, or what was meant to be one, without its secrets: placeholders stand for its userinfo and query, and it has no
// fragment. It goes by RFC 3986, section 3.2, rather than through net/url, which would write the rest anew.
func ShownURL(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	raw, query, _ := strings.Cut(raw, "?")
	if query != "" {
		raw += "?" + placeholder
	}
	scheme, rest, found := strings.Cut(raw, "://")
	if !found {
		return raw
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		rest = shownUser + rest[at:]
	}
	return scheme + "://" + rest
}
