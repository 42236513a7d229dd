package httpstd

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// hop is one request of a slot on the wire: the first, or one that a redirect led to.
type hop struct {
	method string
	url    *url.URL
	host   string
	header http.Header
	body   []byte
}

// next is the hop that a response leads to; false: it leads nowhere, it is the response. A Location that cannot be followed
// is errclass.ErrRedirect. The rules are those of RFC 9110 section 15.4 as browsers apply them: 301 and 302 turn POST into
// GET, 303 turns all but HEAD into GET, 307 and 308 repeat the request. What identifies the caller stays with the origin
// for which it was given.
func (h *hop) next(response *http.Response) (*hop, bool, error) {
	location := response.Header.Get("Location")
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, false, nil
	}
	if location == "" {
		return nil, false, nil
	}
	target, err := h.url.Parse(location)
	if err != nil {
		return nil, false, fmt.Errorf("%w: its Location is no URL", errclass.ErrRedirect)
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" {
		return nil, false, fmt.Errorf("%w: it leads to scheme %q, only http and https are followed", errclass.ErrRedirect, target.Scheme)
	}
	next := &hop{method: h.method, url: target, host: target.Host, header: h.header, body: h.body}
	target.User = nil
	if originOf(target) == originOf(h.url) {
		next.host = h.host
	} else {
		next.header = h.header.Clone()
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			next.header.Del(name)
		}
	}
	if dropsBody(h.method, response.StatusCode) {
		if next.method != http.MethodHead {
			next.method = http.MethodGet
		}
		next.body = nil
		next.header = next.header.Clone()
		next.header.Del("Content-Type")
		next.header.Del("Content-Encoding")
	}
	return next, true, nil
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
