package secrets

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/wire"
)

const (
	// maxRefused is how many violations are listed: they travel in a trailer of 8 KiB.
	maxRefused = 10
	// headerLineBytes is what a header line has beside name and value, as package wire counts it.
	headerLineBytes = 4
)

// Resolve is the plan with secrets in the place of the references to them, or all that is wrong with those; without references it is
// p itself. p is not changed. Every secret is read once, so that all requests of the call have the same. What comes of it is within
// caps; all texts with secrets together are at most as long as a plan may be, since a reference is short and a file need not be.
func (a *Allowed) Resolve(p *plan.Plan, caps plan.Caps) (*plan.Plan, []wire.Violation) {
	if !hasReferences(p) {
		return p, nil
	}
	r := &resolver{allowed: a, caps: caps, known: map[plan.Reference]string{}}
	resolved := *p
	resolved.Requests = slices.Clone(p.Requests)
	for i := range resolved.Requests {
		r.request(fmt.Sprintf("plan.requests[%d]", i), &resolved.Requests[i])
		if len(r.refused) >= maxRefused || r.size > caps.PlanBytes {
			break
		}
	}
	if r.size > caps.PlanBytes {
		r.refuse("plan", "what has secrets in it is beyond the worker's cap of %d (max_plan_bytes); refer to fewer or smaller ones", caps.PlanBytes)
	}
	if r.refused != nil {
		return nil, r.refused
	}
	return &resolved, nil
}

func hasReferences(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Requests, func(r plan.Request) bool {
		return mayRefer(r.Body) || slices.ContainsFunc(r.Headers, func(h plan.Header) bool { return plan.HasReferences(string(h.Value)) })
	})
}

// mayRefer reports whether a body has references: one that is not text has none, whatever its bytes happen to be.
func mayRefer(body []byte) bool { return utf8.Valid(body) && plan.HasReferences(string(body)) }

// resolver resolves the references of one plan.
type resolver struct {
	allowed *Allowed
	caps    plan.Caps
	known   map[plan.Reference]string // what was read; "" of one that was refused
	size    int64                     // of the texts with secrets so far
	refused []wire.Violation
}

func (r *resolver) refuse(field, format string, args ...any) {
	r.refused = append(r.refused, wire.Violation{Field: field, Description: fmt.Sprintf(format, args...)})
}

func (r *resolver) request(at string, request *plan.Request) {
	request.Headers = slices.Clone(request.Headers)
	var size int64
	for i := range request.Headers {
		h := &request.Headers[i]
		if value := string(h.Value); plan.HasReferences(value) {
			h.Value, h.Bound = plan.Secret(r.header(fmt.Sprintf("%s.headers[%d].value", at, i), value)), true
		}
		size += int64(len(h.Name) + len(h.Value) + headerLineBytes)
	}
	if size > r.caps.HeadBytes {
		r.refuse(at+".headers", "%d bytes of headers with their secrets are beyond the worker's cap of %d (max_head_bytes); use fewer or shorter ones", size, r.caps.HeadBytes)
	}
	if !mayRefer(request.Body) {
		return
	}
	body, _ := r.expand(at+".body", string(request.Body))
	request.Body, request.BodyBound = plan.SecretBytes(body), true
	if size := int64(len(body)); size > r.caps.BodyBytes {
		r.refuse(at+".body", "%d bytes with its secrets are beyond the worker's cap of %d (max_body_bytes); use a smaller body", size, r.caps.BodyBytes)
	}
}

// header is a header's value with its secrets, which has to be one: a line's end in a secret would end the header.
func (r *resolver) header(field, value string) string {
	expanded, used := r.expand(field, value)
	if problem := wire.HeaderValueProblem(expanded, false); problem != "" {
		r.refuse(field, "what comes of %s %s", strings.Join(used, " and "), problem)
		return ""
	}
	return expanded
}

// expand is a text with its secrets, and their references. It stops when all texts together are too long.
func (r *resolver) expand(field, text string) (expanded string, used []string) {
	var b strings.Builder
	for piece := range plan.Pieces(text) {
		literal := piece.Literal
		if piece.Reference != nil {
			secret, err := r.secret(*piece.Reference)
			if err != nil {
				r.refuse(field, "refers to %v", err)
			}
			if len(used) < maxRefused {
				used = append(used, fmt.Sprintf("%.80q", piece.Reference.String()))
			}
			literal = secret
		}
		b.WriteString(literal)
		if r.size += int64(len(literal)); r.size > r.caps.PlanBytes || len(r.refused) >= maxRefused {
			return "", used
		}
	}
	return b.String(), used
}

// secret is what a reference stands for. What is wrong with one is said where it is found first.
func (r *resolver) secret(reference plan.Reference) (string, error) {
	if secret, known := r.known[reference]; known {
		return secret, nil
	}
	secret, err := r.allowed.read(reference)
	r.known[reference] = secret
	return secret, err
}
