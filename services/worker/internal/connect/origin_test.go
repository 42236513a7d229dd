package connect

import (
	"net/url"
	"testing"
)

func TestOriginOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ url, scheme, address string }{
		{"http://a.example", "http", "a.example:80"},
		{"https://a.example/b?c#d", "https", "a.example:443"},
		{"http://a.example:8080/", "http", "a.example:8080"},
		{"https://a.example:80/", "https", "a.example:80"},
		{"http://user:pass@a.example/", "http", "a.example:80"},
		{"http://127.0.0.1/", "http", "127.0.0.1:80"},
		{"http://[::1]/", "http", "[::1]:80"},
		{"https://[fe80::1%25eth0]:8443/", "https", "[fe80::1%eth0]:8443"},
		{"http://b\u00fccher.example/", "http", "xn--bcher-kva.example:80"},
		{"http://xn--bcher-kva.example/", "http", "xn--bcher-kva.example:80"},
		{"https://\u65e5\u672c.example:444/", "https", "xn--wgv71a.example:444"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := OriginOf(u), (Origin{tt.scheme, tt.address}); got != want {
			t.Errorf("OriginOf(%s) = %+v, want %+v", tt.url, got, want)
		}
	}
}
