package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestShownURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                "",
		"http://host/":                    "http://host/",
		"http://user@host":                "http://redacted@host",
		"http://user:p@ss@host:8080/@a":   "http://redacted@host:8080/@a",
		"http://host/a@b?c=d@e#f@g":       "http://host/a@b?[redacted]",
		"http://host/#token":              "http://host/",
		"http://host/?":                   "http://host/",
		"http://a:b@host?x":               "http://redacted@host?[redacted]",
		"http://a:b@[::1]/%zz":            "http://redacted@[::1]/%zz",
		"no scheme a@b?c":                 "no scheme a@b?[redacted]",
		"http://redacted@a/b?[redacted]":  "http://redacted@a/b?[redacted]",
		"http://a/?next=http://u:p@b/":    "http://a/?[redacted]",
		"https://a/b;c=d?e=${env:TOKEN}f": "https://a/b;c=d?[redacted]",
	} {
		if got := ShownURL(in); got != want {
			t.Errorf("ShownURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestShownPlan(t *testing.T) {
	t.Parallel()
	request := func(url, authorization, accept, host, body string) Request {
		return Request{URL: url, Method: "PUT", Weight: 2, Group: "g", Body: SecretBytes(body), Headers: []Header{
			{Name: "Authorization", Value: Secret(authorization)}, {Name: "Accept", Value: Secret(accept)}, {Name: "hOST", Value: Secret(host)},
		}}
	}
	p := &Plan{
		Requests: []Request{
			request("http://u:p@a/?q", "Bearer ${env:T}", "text/plain", "b.test", `{"a":"${file:/a}${env:B}","b":"$${env:C}"}`),
			request("http://a/", "", "${env:T}", "", "\xff${env:T}"),
		},
		Load: Load{Requests: 3},
		HTTP: HTTPOptions{TLS: TLSOptions{CertPEM: "certificate", KeyPEM: "key"}},
	}
	before := fmt.Sprint(p.Requests[0].URL, string(p.Requests[0].Headers[0].Value), string(p.Requests[0].Body), string(p.HTTP.TLS.KeyPEM))
	want := &Plan{
		Requests: []Request{
			request("http://redacted@a/?[redacted]", "[redacted]${env:T}", "[redacted]", "b.test", "[redacted]${file:/a}${env:B}[redacted]"),
			request("http://a/", "", "${env:T}", "", "[redacted]"),
		},
		Load: Load{Requests: 3},
		HTTP: HTTPOptions{TLS: TLSOptions{CertPEM: "certificate"}},
	}
	if diff := cmp.Diff(want, p.Shown()); diff != "" {
		t.Errorf("Shown, -want +got:\n%s", diff)
	}
	if after := fmt.Sprint(p.Requests[0].URL, string(p.Requests[0].Headers[0].Value), string(p.Requests[0].Body), string(p.HTTP.TLS.KeyPEM)); after != before {
		t.Errorf("Shown has changed the plan: %s, was %s", after, before)
	}
	if got := (*Plan)(nil).Shown(); got != nil {
		t.Errorf("Shown of no plan = %v, want none", got)
	}
}

// Whatever stands around references, nothing of it is in what is shown, and showing it again changes nothing.
func TestNothingButReferencesIsShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{
			"canary", "$", "{", "}", "${", "${env:", "${env:A}", "$${env:A}", "${file:/b}", "\xff", "\n", placeholder,
		})).Draw(t, "parts"), "")
		p := &Plan{Requests: []Request{{URL: "http://a/?" + text, Headers: []Header{{Name: "X", Value: Secret(text)}}, Body: SecretBytes(text)}}}
		shown := p.Shown()
		r := shown.Requests[0]
		for _, got := range []string{r.URL, string(r.Headers[0].Value), string(r.Body)} {
			rest := got
			for piece := range Pieces(got) {
				if piece.Reference != nil {
					rest = strings.Replace(rest, piece.Reference.String(), "", 1)
				}
			}
			if strings.Contains(rest, "canary") {
				t.Errorf("Shown(%q) = %q", text, got)
			}
		}
		if diff := cmp.Diff(shown, shown.Shown()); diff != "" {
			t.Errorf("Shown of what is shown of %q, -want +got:\n%s", text, diff)
		}
	})
}
