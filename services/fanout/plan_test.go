package main

import (
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/target"
)

// planOf is what the flags of a request say.
func planOf(urls []string, args ...string) (*plan.Plan, error) {
	var f requestFlags
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	f.add(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return f.plan(flags, urls)
}

func TestRequestFlags(t *testing.T) {
	t.Parallel()
	const url = "http://a.test/"
	certificates, err := target.NewCertificates()
	if err != nil {
		t.Fatal(err)
	}
	authority := string(certificates.CAPEM)
	certPEM, keyPEM, err := certificates.Client("fanout")
	if err != nil {
		t.Fatal(err)
	}
	get := plan.Request{URL: url, Method: "GET", Body: []byte{}}
	with := func(change func(*plan.Request)) plan.Plan {
		r := get
		change(&r)
		return plan.Plan{Requests: []plan.Request{r}}
	}
	for _, tt := range []struct {
		name string
		args []string
		want plan.Plan
	}{
		{"nothing", nil, plan.Plan{Requests: []plan.Request{get}}},
		{"method", []string{"-m", "POST"}, with(func(r *plan.Request) { r.Method = "POST" })},
		{"headers", []string{"-H", "B: 1, 2", "-H", "a:x:y ", "--header", "Empty:"}, with(func(r *plan.Request) {
			r.Headers = []plan.Header{{Name: "B", Value: "1, 2"}, {Name: "a", Value: "x:y"}, {Name: "Empty", Value: ""}}
		})},
		{"body", []string{"-d", "hello\n"}, with(func(r *plan.Request) { r.Body = []byte("hello\n") })},
		{"body from a file", []string{"-D", tempFile(t, "from\x00file")}, with(func(r *plan.Request) { r.Body = []byte("from\x00file") })},
		{"timeout", []string{"-t", "1.5"}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{Timeout: 1500 * time.Millisecond}}},
		{"redirects", []string{"--max-redirects", "3"}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{MaxRedirects: 3}}},
		{
			"how it is sent",
			[]string{"--engine", "std", "--requests-per-connection", "3", "--first-byte-timeout", "0.5"},
			plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{
				Engine: plan.EngineStd, RequestsPerConnection: 3, FirstByteTimeout: 500 * time.Millisecond,
			}},
		},
		{"the engine that is used anyway", []string{"--engine", "http1"}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{Engine: plan.EngineHTTP1}}},
		{
			"identity",
			[]string{"--cert", tempFile(t, string(certPEM)), "--key", tempFile(t, string(keyPEM))},
			plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{TLS: plan.TLSOptions{CertPEM: string(certPEM), KeyPEM: plan.Secret(keyPEM)}}},
		},
		{"slot header", []string{"--slot-header"}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{SlotHeader: true}}},
		{"insecure", []string{"-k"}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{TLS: plan.TLSOptions{InsecureSkipVerify: true}}}},
		{"authorities", []string{"--cacert", tempFile(t, authority)}, plan.Plan{Requests: []plan.Request{get}, HTTP: plan.HTTPOptions{TLS: plan.TLSOptions{CAPEM: authority}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := planOf([]string{url}, tt.args...); err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("plan of %q = %+v, %v, want %+v", tt.args, got, err, tt.want)
			}
		})
	}
}

// A URL without a scheme is one of HTTP, as curl and hey have it; one with any other is left for the plan's check.
func TestURLs(t *testing.T) {
	t.Parallel()
	got, err := planOf([]string{"a.test", "127.0.0.1:8080/to?url=http://b.test/", "a.test:80/?u=http://b.test/", "mailto:a@b.test", "127.0.0.1:8080/x?y", "[::1]:80", "http://b.test/", "https://c.test", "ftp://d.test", ""})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"http://a.test", "http://127.0.0.1:8080/to?url=http://b.test/", "http://a.test:80/?u=http://b.test/", "mailto:a@b.test", "http://127.0.0.1:8080/x?y", "http://[::1]:80", "http://b.test/", "https://c.test", "ftp://d.test", ""}
	for i, r := range got.Requests {
		if r.URL != want[i] {
			t.Errorf("URL %d = %q, want %q", i, r.URL, want[i])
		}
	}
	if len(got.Requests) != len(want) {
		t.Errorf("plan = %d requests, want one for each of %d URLs", len(got.Requests), len(want))
	}
}

// What cannot be read names the flag and the value.
func TestBadRequestFlags(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tt := range []struct {
		name string
		args []string
		want []string // in the error
	}{
		{"header without a colon", []string{"-H", "oops"}, []string{"-H", "header 1 of 4 bytes"}},
		{"header without a name", []string{"-H", " : x"}, []string{"-H", "header 1 of 4 bytes"}},
		{"two bodies", []string{"-d", "a", "-D", "b"}, []string{"-d", "-D"}},
		{"no such body", []string{"-D", missing}, []string{"-D", missing}},
		{"no such authorities", []string{"--cacert", missing}, []string{"--cacert", missing}},
		{"no time", []string{"-t", "0"}, []string{"-t", "0"}},
		{"less than no time", []string{"-t", "-2s"}, []string{"-t", "-2s"}},
		{"a time that is none", []string{"-t", "soon"}, []string{"-t", `"soon"`}},
		{"a number that is none", []string{"--max-redirects", "many"}, []string{"--max-redirects", `"many"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := planOf([]string{"http://a.test/"}, tt.args...)
			if err == nil {
				t.Fatalf("plan of %q = %+v, want an error", tt.args, got)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("plan of %q = %v, want %q in it", tt.args, err, want)
				}
			}
		})
	}
}
