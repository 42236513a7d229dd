package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/plan"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	const prefix = "http://x/"
	for _, tt := range []struct{ url, value, words string }{ // words "": accepted
		{"http://x", "", ""},
		{"https://x.example:65535/a/b?c=d&e#f", "", ""},
		{"HTTP://X/", "", ""},
		{"http://127.0.0.1:1/", "", ""},
		{"http://[::1]:8080/", "", ""},
		{"http://[fe80::1%25eth0]/", "", ""},
		{"http://user:p%40ss@x/", "", ""},
		{"http://user@x/", "", ""},
		{"http://under_score.x-y.example./", "", ""},
		{"http://bücher.example/ü?ü=ü", "", ""},
		{"http://x/%00%20", "", ""},
		{prefix + strings.Repeat("p", 8<<10-len(prefix)), "", ""},

		{"", `""`, "is no URL"},
		{"target.example", `"target.example"`, "begin with http://"},
		{"localhost:8080", `"localhost:8080"`, "begin with http://"},
		{"/path", `"/path"`, "begin with http://"},
		{"//host/path", `"//host/path"`, "begin with http://"},
		{"x/?u=http://y", `"x/?[redacted]"`, "begin with http://"},
		{"http:x", `"http:x"`, "begin with http://"},
		{"ftp://x/", `"ftp://x/"`, "has the scheme ftp; use http or https"},
		{"http:///path", `"http:///path"`, "has no host"},
		{"http://:80/", `"http://:80/"`, "has no host"},
		{"http://x:/", `"http://x:/"`, "no port"},
		{"http://x:0/", `"http://x:0/"`, "has the port 0"},
		{"http://x:65536/", `"http://x:65536/"`, "has the port 65536"},
		{"http://x:abc/", `"http://x:abc/"`, "port"},
		{"http://x:-1/", `"http://x:-1/"`, "port"},
		{"http://a b/", `"http://a b/"`, "space"},
		{"http://x/a b", `"http://x/a b"`, "space"},
		{"http://x/\r\nHost: y", `\r\n`, "control character"},
		{"http://x/\x7f", `\x7f`, "control character"},
		{"http://x/\u0085", `\u0085`, "control character"},
		{"http://x/\xff", `\xff`, "UTF-8"},
		{"http://x/%zz", `"http://x/%zz"`, "invalid URL escape"},
		{"http://a..b/", `"http://a..b/"`, "neither a name"},
		{"http://-a/", `"http://-a/"`, "neither a name"},
		{"http://<x>/", `"http://<x>/"`, ""},
		{"http://a%20b/", `"http://a%20b/"`, ""},
		{"http://[::1/", `"http://[::1/"`, ""},
		{"http://[x]/", `"http://[x]/"`, ""},
		{"http://::1/", `"http://::1/"`, ""},
		{"http://" + strings.Repeat("a", 64) + "/", "aaa", "neither a name"},
		{"http://" + strings.Repeat("a.", 127) + "a/", "a.a", "neither a name"},
		{"http://xn--\u00fc/", "xn--", ""},
		{"http://user:secret@x:0/", `"http://redacted@x:0/"`, "has the port 0"},
		{"http://x:0/?token=secret#secret", `"http://x:0/?[redacted]"`, "has the port 0"},
		{prefix + strings.Repeat("p", 8<<10), `ppp"…`, "has 8201 bytes, beyond the worker's cap of 8192 (max_url_bytes);"},
	} {
		t.Run(quote(tt.url), func(t *testing.T) {
			t.Parallel()
			c := planCase{change: func(pb *fanoutv1.Plan) { pb.Requests[0].Url = tt.url }, value: tt.value, words: tt.words}
			if tt.value != "" {
				c.field = "plan.requests[0].url"
			}
			c.run(t, plan.DefaultCaps())
		})
	}
}

// A violation ends up in logs, and what is refused may have its secrets in any place.
func TestViolationsOfURLsShowNoSecrets(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://u:canary@x:0/", "http://canary@x:0/", "http://canary:p@x:0/", "http://u:can/canary@x/", "http://u:canary/p@x/",
		"http://u:canary?p@x:0/", "http://u:canary#p@x:0/", "http://u:a@canary@x:0", "http://u:canary@", "http://u:%zzcanary@x/",
		"http://u:canary p@x/", "http://u:canary\\@x:0/", "http:/u:canary@x/", "http:u:canary@x", "u:canary@x", "mailto:canary@x",
		"//u:canary@x/", "ftp://u:canary@x/", "http://[canary@x/", "http://u:canary\x00@x/", "http://u:canary\xff@x/",
		"http://x:0/?token=canary", "http://x:0?canary", "http://x:0/#canary", "x/?canary", "http://x y/?canary=1#canary",
		"http://x/%zz?a=b@canary", "http://u:canary@" + strings.Repeat("x", 9<<10), "http://x/?canary" + strings.Repeat("x", 9<<10),
	} {
		pb := minimalPlan()
		pb.Requests[0].Url = url
		_, got := ParsePlan(pb, plan.DefaultCaps())
		if len(got) != 1 || strings.Contains(fmt.Sprint(got), "canary") {
			t.Errorf("ParsePlan with %q = %q, want one violation without the secret", url, got)
		}
	}
}

// What libraries say is not trusted to print.
func TestPrintable(t *testing.T) {
	t.Parallel()
	c := &checker{}
	c.addf("a", "b", "%s", "x\x1b[0m\u202e\xff ü")
	if got, want := c.violations()[0].Description, "x\uFFFD[0m\uFFFD\uFFFD ü"; got != want {
		t.Errorf("description %q, want %q", got, want)
	}
	if got, want := cause(errors.New("plain")), "plain"; got != want {
		t.Errorf("cause = %q, want %q", got, want)
	}
}
