package wire

import (
	"net/textproto"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// maxGroupBytes bounds a group's name: it is a key of a map in every tally that is sent.
const maxGroupBytes = 64

// headerLineBytes is what a header line has beside name and value: colon, space, CR and LF.
const headerLineBytes = 4

// refusedHeaders are the headers that a plan may not set, and who does. Keys are canonical.
//
// A second framing header, or one that says another body than the one that follows, is how requests are smuggled; and
// hop-by-hop headers (RFC 9110 section 7.6.1) speak of a connection that other slots share.
var refusedHeaders = map[string]string{
	"Content-Length":    "is set by the sender from the body",
	"Transfer-Encoding": "is set by the sender from the body",
	"Trailer":           "announces trailers, and none are sent",
	"Connection":        "is about the connection, which the sender keeps",
	"Keep-Alive":        "is about the connection, which the sender keeps",
	"Proxy-Connection":  "is about the connection, which the sender keeps",
	"Te":                "is about the connection, which the sender keeps",
	"Upgrade":           "asks for another protocol, and none is spoken",
	"X-Fanout-Slot":     "is set by the sender when http.slot_header is",
	"X-Fanout-Run":      "is kept for the sender",
}

func (c *checker) requests(pbs []*fanoutv1.Request) []plan.Request {
	const at = "plan.requests"
	if !c.capped(at, "", int64(len(pbs)), 1, c.caps.Requests, "max_request_count") {
		pbs = pbs[:min(int64(len(pbs)), c.caps.Requests)] // a message of 4 MiB has two million empty ones
	}
	requests := make([]plan.Request, 0, len(pbs))
	groups := make(map[string]bool)
	var weights int64
	for i, pb := range pbs {
		r := c.request(at+"["+strconv.Itoa(i)+"]", pb)
		weights += max(int64(r.Weight), 1)
		if r.Group != "" {
			groups[r.Group] = true
		}
		requests = append(requests, r)
	}
	if weights > plan.MaxTotalWeight {
		c.addf(at, "", "%d is the sum of all weights, beyond the cap of %d; use smaller weights or fewer requests", weights, plan.MaxTotalWeight)
	}
	if len(groups) > plan.MaxGroups {
		c.addf(at, "", "%d different groups are beyond the cap of %d; use fewer names", len(groups), plan.MaxGroups)
	}
	return requests
}

// request is one request; what is wrong in it is left zero, so that the sums over all requests say nothing twice.
func (c *checker) request(at string, pb *fanoutv1.Request) plan.Request {
	r := plan.Request{
		URL:     c.url(at, pb.GetUrl()),
		Method:  c.method(at, pb.GetMethod()),
		Headers: c.headers(at, pb.GetHeaders()),
		Body:    c.body(at, pb.GetBody()),
		Timeout: c.positive(at, "timeout", pb.GetTimeout()),
		Group:   c.group(at, pb.GetGroup()),
	}
	if weight := int64(pb.GetWeight()); c.inRange(at, "weight", weight, 0, plan.MaxTotalWeight) {
		r.Weight = int(weight)
	}
	return r
}

func (c *checker) method(at, method string) string {
	switch {
	case method == "":
	case !httpguts.ValidHeaderFieldName(method): // the same token as a header's name
		c.addf(at, "method", "%s is not a token of RFC 9110; use letters, as in GET", quote(method))
	case strings.EqualFold(method, "CONNECT"):
		c.addf(at, "method", "%s asks for a tunnel, which is not a request for a response; use another method", quote(method))
	}
	return method
}

func (c *checker) group(at, group string) string {
	if len(group) > maxGroupBytes {
		c.addf(at, "group", "%s has %d bytes, beyond the cap of %d; use a shorter name", quote(group), len(group), maxGroupBytes)
		return ""
	}
	if !c.utf8(at, "group", group) {
		return ""
	}
	return group
}

func (c *checker) body(at string, pb *fanoutv1.Body) []byte {
	if pb.GetTruncated() {
		c.addf(at, "body.truncated", "true is for the bodies of outcomes; leave it out and give the whole body")
	}
	body := content(pb)
	if size := int64(len(body)); size > c.caps.BodyBytes {
		c.addf(at, "body", "%d bytes are beyond %s; use a smaller body", size, c.limit("max_body_bytes", strconv.FormatInt(c.caps.BodyBytes, 10)))
	}
	if len(body) == 0 {
		return nil // an empty body and no body are the same request
	}
	return body
}

func (c *checker) headers(at string, pbs []*fanoutv1.Header) []plan.Header {
	if len(pbs) == 0 {
		return nil
	}
	pbs = c.fittingHeaders(at, pbs)
	headers := make([]plan.Header, 0, len(pbs))
	hosts := 0
	for i, pb := range pbs {
		h := plan.Header{Name: pb.GetName(), Value: plan.Secret(pb.GetValue())}
		headers = append(headers, h)

		if problem := nameProblem(h.Name); problem != "" {
			c.addf(at, "headers["+strconv.Itoa(i)+"].name", "%s %s", showName(h.Name), problem)
			continue
		}
		isHost := strings.EqualFold(h.Name, "Host")
		if isHost {
			if hosts++; hosts == 2 {
				c.addf(at, "headers["+strconv.Itoa(i)+"].name", "%s is there twice, and a request has one host; drop one", quote(h.Name))
			}
		}
		if problem := HeaderValueProblem(pb.GetValue(), isHost); problem != "" {
			c.addf(at, "headers["+strconv.Itoa(i)+"].value", "%s %s", showValue(pb.GetValue(), isHost), problem)
		}
	}
	return headers
}

// fittingHeaders is the headers that are within the cap on all of them together: what is wrong with others does not matter.
func (c *checker) fittingHeaders(at string, pbs []*fanoutv1.Header) []*fanoutv1.Header {
	var size int64
	fitting := 0
	for i, pb := range pbs {
		if size += int64(len(pb.GetName()) + len(pb.GetValue()) + headerLineBytes); size <= c.caps.HeadBytes {
			fitting = i + 1
		}
	}
	if size > c.caps.HeadBytes {
		c.addf(at, "headers", "%d bytes of headers are beyond %s; use fewer or shorter ones", size, c.limit("max_head_bytes", strconv.FormatInt(c.caps.HeadBytes, 10)))
	}
	return pbs[:fitting]
}

// nameProblem says what is wrong with the name of a header to send, "" if nothing.
func nameProblem(name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return "is not a header name; use a token of RFC 9110, without spaces and colons"
	}
	if why, refused := refusedHeaders[textproto.CanonicalMIMEHeaderKey(name)]; refused {
		return why + "; leave it out"
	}
	return ""
}

// HeaderValueProblem says what is wrong with the value of a header to send, "" if nothing. It does not show the value.
func HeaderValueProblem(value string, isHost bool) string {
	switch {
	case !httpguts.ValidHeaderFieldValue(value):
		return "has a control character, such as a line's end; take it out"
	case strings.ToValidUTF8(value, "") != value:
		return "is not UTF-8; use UTF-8"
	case isHost:
		return hostProblem(value)
	}
	return ""
}

// showName is a header's name as a violation shows it. Of one that is no name only what comes before the first sign of that: who
// takes a whole header line for its name must not find its value in a log.
func showName(name string) string {
	if httpguts.ValidHeaderFieldName(name) {
		return quote(name)
	}
	for i, r := range name {
		if !httpguts.IsTokenRune(r) {
			return "the name of " + strconv.Itoa(len(name)) + " bytes that begins with " + quote(name[:i])
		}
	}
	return quote(name)
}

// showValue is a header's value as a violation shows it: violations end up in logs, so it is shown by its length. A Host is no
// secret.
func showValue(value string, isHost bool) string {
	if isHost {
		return quote(value)
	}
	return "the value of " + strconv.Itoa(len(value)) + " bytes"
}
