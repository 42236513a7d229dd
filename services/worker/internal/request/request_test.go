package request

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// lines is the header as sorted text; empty values count.
func lines(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b) // a builder takes everything
	return strings.ReplaceAll(b.String(), "\r\n", "\n")
}

func TestFirst(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		url     string
		headers []plan.Header
		host    string
		want    string
	}{
		{"ours", "http://a.example/b", nil, "a.example", "User-Agent: us\nX-Fanout-Run: run\n"},
		{"userinfo", "http://us%40er:p%3Aw@a.example/", nil, "a.example", "Authorization: Basic dXNAZXI6cDp3\nUser-Agent: us\nX-Fanout-Run: run\n"},
		{"user alone", "http://user@a.example/", nil, "a.example", "Authorization: Basic dXNlcjo=\nUser-Agent: us\nX-Fanout-Run: run\n"},
		{
			"the caller's word replaces ours", "http://user:pass@a.example/",
			[]plan.Header{{Name: "user-agent", Value: "mine"}, {Name: "authorization", Value: "Bearer x"}, {Name: "X-FANOUT-run", Value: "other"}},
			"a.example", "Authorization: Bearer x\nUser-Agent: mine\nX-Fanout-Run: other\n",
		},
		{
			"what the caller repeats is repeated", "http://a.example/",
			[]plan.Header{{Name: "x-a", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "User-Agent", Value: "3"}, {Name: "User-Agent", Value: "4"}},
			"a.example", "User-Agent: 3\nUser-Agent: 4\nX-A: 1\nX-A: 2\nX-Fanout-Run: run\n",
		},
		{
			"host", "http://a.example:8080/",
			[]plan.Header{{Name: "hOST", Value: "b.example"}},
			"b.example", "User-Agent: us\nX-Fanout-Run: run\n",
		},
		{"port", "http://a.example:8080/", nil, "a.example:8080", "User-Agent: us\nX-Fanout-Run: run\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := plan.Request{URL: tt.url, Method: "PUT", Headers: tt.headers, Body: []byte("hello")}
			h, err := First(&r, "run", "us")
			if err != nil {
				t.Fatal(err)
			}
			if h.Method != "PUT" || string(h.Body) != "hello" || h.Host != tt.host || h.URL.User != nil || lines(h.Header) != tt.want {
				t.Errorf("First() = %+v, header\n%s\nwant host %s, header\n%s", h, lines(h.Header), tt.host, tt.want)
			}
		})
	}
	if _, err := First(&plan.Request{URL: "http://%zz/"}, "run", "us"); err == nil {
		t.Error("First() took what is no URL")
	}
}

// hop is one to http://a.example/b/c?d, with a body and everything that identifies a caller.
func hop(t *testing.T, method string) *Hop {
	t.Helper()
	h, err := First(&plan.Request{
		URL: "http://a.example/b/c?d", Method: method, Body: []byte("hello"),
		Headers: []plan.Header{
			{Name: "Host", Value: "virtual.example"},
			{Name: "Authorization", Value: "secret"},
			{Name: "Cookie", Value: "secret"},
			{Name: "Proxy-Authorization", Value: "secret"},
			{Name: "Content-Type", Value: "text/plain"},
			{Name: "Content-Encoding", Value: "identity"},
			{Name: "X-Kept", Value: "kept"},
		},
	}, "run", "us")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Which method follows which status, and whether with the body: RFC 9110 section 15.4, as browsers have it.
func TestMethodsOfRedirects(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		want   map[string]string // method by method; in lower case: without the body
	}{
		{301, map[string]string{"GET": "GET", "HEAD": "HEAD", "POST": "get", "PUT": "PUT", "PURGE": "PURGE"}},
		{302, map[string]string{"GET": "GET", "HEAD": "HEAD", "POST": "get", "PUT": "PUT", "PURGE": "PURGE"}},
		{303, map[string]string{"GET": "get", "HEAD": "head", "POST": "get", "PUT": "get", "PURGE": "get"}},
		{307, map[string]string{"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "PURGE": "PURGE"}},
		{308, map[string]string{"GET": "GET", "HEAD": "HEAD", "POST": "POST", "PUT": "PUT", "PURGE": "PURGE"}},
	} {
		for method, want := range tt.want {
			h := hop(t, method)
			next, err := h.Next(tt.status, "/e")
			if err != nil {
				t.Fatal(err)
			}
			bodyless := want == strings.ToLower(want)
			if next.Method != strings.ToUpper(want) || (len(next.Body) == 0) != bodyless || (next.Header.Get("Content-Type") == "") != bodyless ||
				(next.Header.Get("Content-Encoding") == "") != bodyless {
				t.Errorf("%d of %s = %s with %q, %v; want %s", tt.status, method, next.Method, next.Body, next.Header, want)
			}
			if next.Header.Get("Authorization") != "secret" || next.Host != "virtual.example" {
				t.Errorf("%d of %s: host %s, %v; want what the first hop had, as the origin is the same", tt.status, method, next.Host, next.Header)
			}
			if again := hop(t, method); !reflect.DeepEqual(h, again) {
				t.Errorf("%d of %s has changed the hop that slots share: %+v", tt.status, method, h)
			}
		}
	}
}

func TestWhereRedirectsLead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		location, want string
		same           bool // origin
	}{
		{"/e", "http://a.example/e", true},
		{"e", "http://a.example/b/e", true},
		{"../e?f", "http://a.example/e?f", true},
		{"?f", "http://a.example/b/c?f", true},
		{"#g", "http://a.example/b/c?d#g", true},
		{"http://a.example:80/e", "http://a.example:80/e", true},
		{"http://user:pass@a.example/e", "http://a.example/e", true},
		{"//a.example/e", "http://a.example/e", true},
		{"//b.example/e", "http://b.example/e", false},
		{"https://a.example/e", "https://a.example/e", false},
		{"http://a.example:81/e", "http://a.example:81/e", false},
		{"http://b\u00fccher.example/", "http://b%C3%BCcher.example/", false},
	} {
		next, err := hop(t, "GET").Next(302, tt.location)
		if err != nil {
			t.Errorf("Next(%q) = %v", tt.location, err)
			continue
		}
		if got := next.URL.String(); got != tt.want {
			t.Errorf("Next(%q) leads to %s, want %s", tt.location, got, tt.want)
		}
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			if kept := next.Header.Get(name) != ""; kept != tt.same {
				t.Errorf("Next(%q) keeps %s: %v, want %v", tt.location, name, kept, tt.same)
			}
		}
		wantHost := next.URL.Host
		if tt.same {
			wantHost = "virtual.example"
		}
		if next.Host != wantHost || next.Header.Get("X-Kept") != "kept" || next.Header.Get("X-Fanout-Run") != "run" {
			t.Errorf("Next(%q): host %s, %v; want %s and the other headers", tt.location, next.Host, next.Header, wantHost)
		}
	}
}

func TestRedirectsThatLeadNowhere(t *testing.T) {
	t.Parallel()
	h := hop(t, "GET")
	for _, status := range []int{200, 201, 300, 304, 305, 306, 309, 399, 404, 500} {
		if next, err := h.Next(status, "/e"); next != nil || err != nil || IsRedirect(status) {
			t.Errorf("Next(%d) = %v, %v, want none", status, next, err)
		}
	}
	if next, err := h.Next(302, ""); next != nil || err != nil {
		t.Errorf("Next() without a location = %v, %v, want none", next, err)
	}
	for _, location := range []string{"ftp://a.example/", "javascript:1", "http:", "http:///e", "http://:80/", "http://%zz/", "\x00", "http://a b/", "http://xn--\u00fc/"} {
		next, err := h.Next(302, location)
		if next != nil || !errors.Is(err, errclass.ErrRedirect) {
			t.Errorf("Next(%q) = %v, %v, want it refused", location, next, err)
		}
	}
}

// A secret of the worker's stays with the origin for which the plan refers to it: a target that could have it sent elsewhere would need
// no more than a Location.
func TestSecretsStayWithTheirOrigin(t *testing.T) {
	t.Parallel()
	first, err := First(&plan.Request{
		URL: "http://a.example/", Method: "POST", Body: []byte("secret"), BodyBound: true,
		Headers: []plan.Header{{Name: "x-api-key", Value: "secret", Bound: true}, {Name: "X-Api-Key", Value: "2"}, {Name: "X-Kept", Value: "kept"}},
	}, "run", "us")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		status   int
		location string
		followed bool
		header   int // how many X-Api-Key go along
		body     string
	}{
		{307, "/elsewhere", true, 2, "secret"},
		{307, "http://b.example/", false, 0, ""},
		{308, "https://a.example/", false, 0, ""},
		{302, "http://b.example/", true, 0, ""},
		{303, "http://a.example:81/", true, 0, ""},
	} {
		next, err := first.Next(tt.status, tt.location)
		if !tt.followed {
			if next != nil || !errors.Is(err, errclass.ErrRedirect) || strings.Contains(err.Error(), "http") {
				t.Errorf("Next(%d, %s) = %v, %v, want it refused", tt.status, tt.location, next, err)
			}
			continue
		}
		if err != nil || len(next.Header["X-Api-Key"]) != tt.header || string(next.Body) != tt.body || next.Header.Get("X-Kept") != "kept" {
			t.Errorf("Next(%d, %s) = %+v, %v, want %d secret headers and the body %q", tt.status, tt.location, next, err, tt.header, tt.body)
		}
	}
	// Nor over a hop in between.
	within, err := first.Next(307, "/elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if next, err := within.Next(307, "http://b.example/"); next != nil || !errors.Is(err, errclass.ErrRedirect) {
		t.Errorf("Next of a hop within the origin = %v, %v, want it refused", next, err)
	}
}
