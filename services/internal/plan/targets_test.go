package plan

import (
	"slices"
	"testing"
)

func TestTargetsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	p := &Plan{Requests: []Request{
		{URL: "https://ann:canary@B.test/canary?token=canary#canary"},
		{URL: "http://a.test:8080/1"},
		{URL: "http://a.test:8080/2"},
		{URL: "http://[2001:db8::1]/"},
		{URL: "http://b.test"},
	}}
	want := []string{"[2001:db8::1]:80", "a.test:8080", "b.test:443", "b.test:80"}
	if got, more := p.Targets(10); !slices.Equal(got, want) || more != 0 {
		t.Errorf("Targets(10) = %q, %d, want %q", got, more, want)
	}
	if got, more := p.Targets(3); !slices.Equal(got, want[:3]) || more != 1 {
		t.Errorf("Targets(3) = %q, %d, want %q and 1 more", got, more, want[:3])
	}
}
