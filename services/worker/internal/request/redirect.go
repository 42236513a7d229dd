package request

import (
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// Next is the hop that a response with this status and Location leads to; nil: it leads nowhere, it is the response. A
// Location that cannot be followed is errclass.ErrRedirect. The rules are those of RFC 9110 section 15.4 as browsers apply
// them: 301 and 302 turn POST into GET, 303 turns all but HEAD into GET, 307 and 308 repeat the request. What identifies the
// caller stays with the origin for which it was given, and so does every secret of this worker's: a target that could have it sent
// elsewhere would need no more than a Location.
func (h *Hop) Next(status int, location string) (*Hop, error) {
	if !IsRedirect(status) || location == "" {
		return nil, nil
	}
	target, err := h.URL.Parse(location)
	if err != nil {
		return nil, fmt.Errorf("%w: its Location is no URL", errclass.ErrRedirect)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" {
		return nil, fmt.Errorf("%w: it leads to scheme %q, only http and https are followed", errclass.ErrRedirect, target.Scheme)
	}
	if ascii, err := httpguts.PunycodeHostPort(target.Host); err != nil || !httpguts.ValidHostHeader(ascii) {
		return nil, fmt.Errorf("%w: its host is no name", errclass.ErrRedirect) // and the Host header could not carry it
	}
	target.User = nil
	next := &Hop{Method: h.Method, URL: target, Host: target.Host, Header: h.Header, Body: h.Body, bound: h.bound, bodyBound: h.bodyBound}
	if connect.OriginOf(target) == h.Origin() {
		next.Host = h.Host
	} else {
		next.Header = h.Header.Clone()
		for _, name := range slices.Concat([]string{"Authorization", "Cookie", "Proxy-Authorization"}, h.bound) {
			next.Header.Del(name)
		}
		if h.bodyBound && !dropsBody(h.Method, status) {
			return nil, fmt.Errorf("%w: its body has a secret, which is not sent to another origin", errclass.ErrRedirect)
		}
	}
	if dropsBody(h.Method, status) {
		if next.Method != http.MethodHead {
			next.Method = http.MethodGet
		}
		next.Body = nil
		next.Header = next.Header.Clone()
		next.Header.Del("Content-Type")
		next.Header.Del("Content-Encoding")
	}
	return next, nil
}

// IsRedirect reports whether a response of this status leads on, if it has a Location.
func IsRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}

func dropsBody(method string, status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound:
		return method == http.MethodPost
	case http.StatusSeeOther:
		return true
	default:
		return false
	}
}
