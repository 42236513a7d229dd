package wire

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpguts"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// Bounds of DNS names, RFC 1035 section 2.3.4: 255 bytes as sent are 253 as text.
const (
	maxNameBytes  = 253
	maxLabelBytes = 63
)

func (c *checker) url(at, raw string) string {
	if size := int64(len(raw)); size > c.caps.URLBytes {
		c.addf(at, "url", "%s has %d bytes, beyond %s; use a shorter URL", quote(refusedURL(raw)), size, c.limit("max_url_bytes", strconv.FormatInt(c.caps.URLBytes, 10)))
		return raw
	}
	if problem := urlProblem(raw); problem != "" {
		c.addf(at, "url", "%s %s", quote(refusedURL(raw)), problemOfShown(raw, problem))
	}
	return raw
}

// refusedURL is what was meant to be a URL as a violation shows it, which may end up in a log. In what is no URL nobody knows where
// the userinfo ends, such as one with a slash in its password: all up to the last @ is left out, and after a ? all behind it too.
func refusedURL(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return plan.ShownURL(raw)
	}
	rest := "redacted" + raw[at:]
	if isUnclear(raw) {
		rest = "redacted"
	}
	if scheme, _, found := strings.Cut(raw[:at], "://"); found {
		rest = scheme + "://" + rest
	}
	return plan.ShownURL(rest)
}

// isUnclear reports whether an @ is in a URL's userinfo, or in its query or fragment.
func isUnclear(raw string) bool {
	return strings.ContainsAny(raw[:max(strings.LastIndexByte(raw, '@'), 0)], "?#")
}

// problemOfShown is what is wrong with a URL without words from its userinfo, such as the port that a part of a password was
// taken for.
func problemOfShown(raw, problem string) string {
	if !strings.Contains(raw, "@") {
		return problem
	}
	if problem := urlProblem(refusedURL(raw)); problem != "" && !isUnclear(raw) {
		return problem
	}
	return "is not a URL; write / ? # and @ within its userinfo as %XX, and give the credentials in a header rather"
}

// urlProblem says what is wrong with the URL of a request, "" if nothing.
func urlProblem(raw string) string {
	switch {
	case raw == "":
		return "is no URL; give one, as http://host/path"
	case strings.ToValidUTF8(raw, "") != raw:
		return "is not UTF-8; write other bytes as %XX"
	case strings.ContainsFunc(raw, unicode.IsControl):
		return "has a control character; take it out or write it as %XX"
	case strings.ContainsFunc(raw, unicode.IsSpace):
		return "has a space; take it out or write it as %XX"
	case !strings.Contains(raw, "://"):
		return "is not an absolute URL; begin with http:// or https://"
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "is not a URL: " + cut(cause(err), maxShownBytes) + "; correct it"
	}
	if u.Scheme == "" {
		return "is not an absolute URL; begin with http:// or https://"
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "has the scheme " + cut(u.Scheme, maxShownBytes) + "; use http or https"
	}
	return authorityProblem(u)
}

// cause is the error without the operation and the URL, which can be long and hold a password.
func cause(err error) string {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err.Error()
	}
	return err.Error()
}

// hostProblem says what is wrong with a Host header's value, "" if nothing.
func hostProblem(value string) string {
	const hint = "is not a host; use a name or an address, with :port if needed"
	if value == "" || !httpguts.ValidHostHeader(value) { // that one lets none of / ? # @ pass
		return hint
	}
	u, err := url.Parse("http://" + value)
	if err != nil {
		return hint
	}
	return authorityProblem(u)
}

// authorityProblem says what is wrong with a URL's host and port, "" if nothing.
func authorityProblem(u *url.URL) string {
	if u.Hostname() == "" {
		return "has no host; add one"
	}
	if strings.HasSuffix(u.Host, ":") {
		return "has a colon and no port behind its host; add the port or drop the colon"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "has the port " + cut(port, maxShownBytes) + "; use 1 to 65535"
		}
	}
	ascii, err := httpguts.PunycodeHostPort(u.Host)
	if err != nil {
		return "has a host that is not a name in DNS; correct it"
	}
	host := (&url.URL{Host: ascii}).Hostname()
	if !isHostName(host) && !isAddress(host) {
		return "has the host " + quote(host) + ", which is neither a name in DNS nor an address; correct it"
	}
	return ""
}

// isHostName reports whether name can be one in DNS: labels of letters, digits, hyphens and underscores (which many
// internal names have), perhaps with the root's dot.
func isHostName(name string) bool {
	name = strings.TrimSuffix(name, ".")
	if len(name) > maxNameBytes {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabelBytes || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, isNotLabelRune) {
			return false
		}
	}
	return true
}

func isNotLabelRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		return false
	}
	return true
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
