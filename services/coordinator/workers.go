package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Workers is where the coordinator finds its workers: a list of host:port, or a DNS name whose addresses are all workers.
type Workers struct {
	list       []string
	name, port string                                  // of a dns:/// target
	find       func(context.Context) ([]string, error) // nil: it is one of those
}

// WorkersFrom is the workers that find tells, each as host:port, whenever they are asked for: at a run's start, and while it goes on.
// find is called by many goroutines at once.
func WorkersFrom(find func(context.Context) ([]string, error)) Workers { return Workers{find: find} }

const dnsPrefix = "dns:///"

// ParseWorkers reads "a:7070,b:7070" or "dns:///name:port".
func ParseWorkers(text string) (Workers, error) {
	if target, ok := strings.CutPrefix(text, dnsPrefix); ok {
		host, port, err := net.SplitHostPort(target)
		if err != nil || host == "" || !isPort(port) {
			return Workers{}, fmt.Errorf("--workers %q is not dns:///NAME:PORT, as in dns:///workers:7070", text)
		}
		return Workers{name: host, port: port}, nil
	}
	var w Workers
	seen := map[string]bool{}
	for address := range strings.SplitSeq(text, ",") {
		address = strings.TrimSpace(address)
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || !isPort(port) {
			return Workers{}, fmt.Errorf("--workers: %q is not HOST:PORT, as in 127.0.0.1:7070; give a list with commas between, or dns:///NAME:PORT", address)
		}
		if seen[address] {
			return Workers{}, fmt.Errorf("--workers: %q is there twice; name each worker once", address)
		}
		seen[address] = true
		w.list = append(w.list, address)
	}
	return w, nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// nameOf is the name, with the port, that the certificate of the worker at an address has to have: of a worker that was found by a DNS
// name that name, since addresses come and go, and of others what the list calls them. It is the same for an address that an earlier
// life of the coordinator has stored.
func (w Workers) nameOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil || w.name == "" {
		return address
	}
	if _, err := netip.ParseAddr(host); err != nil { // the list of an earlier life may have had names
		return address
	}
	return net.JoinHostPort(w.name, w.port)
}

// Resolve is the addresses of the workers as they are now: of a DNS name all of them, in the resolver's order. It asks anew each time:
// gRPC's own resolver asks when a connection closes, and would not hear of a worker that has come.
func (w Workers) Resolve(ctx context.Context) ([]string, error) {
	switch {
	case w.find != nil:
		return w.find(ctx)
	case w.name == "":
		return w.list, nil
	}
	hosts, err := net.DefaultResolver.LookupHost(ctx, w.name)
	if err != nil {
		return nil, fmt.Errorf("workers %s%s:%s cannot be found: %s", dnsPrefix, w.name, w.port, lookupProblem(err))
	}
	addresses := make([]string, len(hosts))
	for i, host := range hosts {
		addresses[i] = net.JoinHostPort(host, w.port)
	}
	return addresses, nil
}

// lookupProblem is why a name was not found, as a caller may know it: the resolver's own words name its servers.
func lookupProblem(err error) string {
	var dns *net.DNSError
	switch {
	case !errors.As(err, &dns):
		return "the lookup was cut short"
	case dns.IsNotFound:
		return "no such host"
	case dns.IsTimeout:
		return "the lookup took too long"
	default:
		return "the lookup failed"
	}
}
