// Package request is what goes on the wire for a slot: a plan's requests made ready once, and the hops to which redirects
// lead. Both HTTP engines send what it says, so that they differ in nothing but in how they send it.
package request

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
)

// The headers by which a target can tell who calls, and in which slot.
const (
	runHeader = "X-Fanout-Run"
	// SlotHeader carries the slot's number, when the plan asks for it. It is not in a hop's header.
	SlotHeader = "X-Fanout-Slot"
)

// Hop is one request of a slot on the wire: the first, or one that a redirect led to. What it points to is shared by slots
// and never written to.
type Hop struct {
	Method string
	URL    *url.URL // without userinfo
	Host   string   // of the Host header
	Header http.Header
	Body   []byte

	bound     []string // canonical names of headers that stay with the origin
	bodyBound bool
}

// First is the first hop of each of the request's slots.
func First(r *plan.Request, runID, userAgent string) (*Hop, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("parsing url: %w", err)
	}
	h := &Hop{Method: r.Method, URL: u, Host: u.Host, Header: http.Header{}, Body: r.Body, bodyBound: r.BodyBound}
	if u.User != nil {
		password, _ := u.User.Password()
		h.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	h.Header.Set("User-Agent", userAgent)
	h.Header.Set(runHeader, runID)
	given := map[string]bool{}
	for _, header := range r.Headers {
		name, value := http.CanonicalHeaderKey(header.Name), string(header.Value)
		switch {
		case name == "Host":
			h.Host = value
		case given[name]:
			h.Header.Add(name, value)
		default: // the caller's word replaces ours
			h.Header.Set(name, value)
		}
		given[name] = true
		if header.Bound {
			h.bound = append(h.bound, name)
		}
	}
	return h, nil
}

// Origin is where the hop's connections lead.
func (h *Hop) Origin() connect.Origin { return connect.OriginOf(h.URL) }
