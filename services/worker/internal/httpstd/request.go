package httpstd

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fanout-load/fanout/services/internal/plan"
)

// The headers by which a target can tell who calls, and in which slot.
const (
	runHeader  = "X-Fanout-Run"
	slotHeader = "X-Fanout-Slot"
)

// prepared is one of the plan's requests, made ready once: what its slots share is never written to.
type prepared struct {
	plan   *plan.Request
	url    *url.URL
	host   string // of the Host header
	header http.Header
}

func prepare(r *plan.Request, runID, userAgent string) (*prepared, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("parsing url: %w", err)
	}
	p := &prepared{plan: r, url: u, host: u.Host, header: http.Header{}}
	if u.User != nil {
		password, _ := u.User.Password()
		p.header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
		u.User = nil
	}
	p.header.Set("User-Agent", userAgent)
	p.header.Set(runHeader, runID)
	given := map[string]bool{}
	for _, h := range r.Headers {
		name := http.CanonicalHeaderKey(h.Name)
		switch {
		case name == "Host":
			p.host = h.Value
		case given[name]:
			p.header.Add(name, h.Value)
		default: // the caller's word replaces ours
			p.header.Set(name, h.Value)
		}
		given[name] = true
	}
	return p, nil
}

// forSlot is the header of one slot's request.
func (p *prepared) forSlot(slot int64, withSlot bool) http.Header {
	if !withSlot {
		return p.header
	}
	header := p.header.Clone()
	header.Set(slotHeader, strconv.FormatInt(slot, 10))
	return header
}

// origin is where a URL's connections lead.
type origin struct{ scheme, address string }

func originOf(u *url.URL) origin {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return origin{u.Scheme, net.JoinHostPort(u.Hostname(), port)}
}
