package enginetest

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// Wherever a target sends us, both engines come to the same outcome, and have a class for it.
func TestOddLocations(t *testing.T) {
	t.Parallel()
	o := startOracle(t, target.OracleConfig{})
	dialer := &egress.Dialer{Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}}
	for _, location := range []string{
		"", "#", "?", "/", ".", "..", "//", "///ok", "/ok#fragment", "?a=b", "/%", "/%zz", "/\u00fc", "/ok?\u00fc", "/a b", "/ok\x7f", "/ok\\", "ok:80", "http:", "http:ok",
		"http:/ok", "HTTP://HOST/ok", "http://HOST", "http://HOST/ok", "http://HOST:80/", "http://user:pass@HOST/ok", "http://@HOST/ok", "http://:80/", "http://HOST/%00",
		"http://b\u00fccher.example/", "http://xn--/", "http://xn--\u00fc/", "http://\u00ad/", "http://\u202e.example/", "http://a_b.example/", "http://a%20b/",
		"http://a%41/", "http://-/", "http://.../", "http://a..b/", "http://[::1", "http://[::1]:0/", "http://[fe80::1%25lo]/", "http://[::1%25b\u00fc]/", "http://1/",
		"http://a.example:/", "http://a.example:99999/", "http://a.example:0/", "http://" + strings.Repeat("a", 300) + ".example/", "http://\xff/", "http://a,b/",
		"http://a'b/", "http://a\"b/", "http://a<b/", "http://a|b/", "http://a`b/", "http://a;b/", "http://a=b/", "http://{a}/", "javascript:alert(1)", "mailto:a@b", "//a.example/",
	} {
		t.Run(location, func(t *testing.T) {
			t.Parallel()
			to := strings.ReplaceAll(location, "HOST", o.Addr())
			var outcomes []outcome.Outcome
			for i, e := range engines {
				p := planFor(o.URL() + "/redirect-to?url=" + url.QueryEscape(to))
				outcomes = append(outcomes, send(t, e.newSender(t, p, dialer), int64(i)))
			}
			own, std := outcomes[0], outcomes[1]
			if own.Error != std.Error || own.Status != std.Status || own.Redirects != std.Redirects || own.Message != std.Message || own.Error == outcome.Other {
				t.Errorf("http1: %v (%s), status %d after %d; std: %v (%s), %d after %d",
					own.Error, own.Message, own.Status, own.Redirects, std.Error, std.Message, std.Status, std.Redirects)
			}
		})
	}
}
