package plan

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// Targets is the hosts to which the plan sends, as host:port, each once and in order, at most so many of them, and how many more there
// are. It has nothing else of a URL: userinfo, paths and queries hold secrets. Where redirects lead is not in it.
func (p *Plan) Targets(most int) (hosts []string, more int) {
	seen := map[string]bool{}
	for i := range p.Requests {
		u, err := url.Parse(p.Requests[i].URL)
		if err != nil {
			continue // of a plan that was checked none
		}
		port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		seen[strings.ToLower(host)+":"+port] = true
	}
	for host := range seen {
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	if more = len(hosts) - most; more > 0 {
		return hosts[:most], more
	}
	return hosts, 0
}
