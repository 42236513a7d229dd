package egress

import (
	"errors"
	"net/netip"
)

// BlockedError says that the guard refused a target. Callers find it with errors.As: it arrives wrapped by whoever asked
// for the connection.
type BlockedError struct {
	Host   string     // of the target, in its ASCII form, or what a Host header or server_name names instead
	Target string     // of what a Host header or server_name names: the target's host; "" otherwise
	Addr   netip.Addr // what the host stands for; the zero Addr if it was not looked up
	Rule   string     // which rule refused it, and whose; what follows "is"
}

// maxHost is how much of a host a refusal shows, in bytes: the rule is to have room beside it.
const maxHost = 80

// Error names the host, the address and the rule.
func (e *BlockedError) Error() string {
	subject := cut(e.Host)
	if e.Target != "" {
		subject += ", named to " + cut(e.Target) + ","
	}
	if e.Addr.IsValid() && !isAddress(e.Host) {
		subject += ", which is " + e.Addr.String() + ","
	}
	return subject + " is " + e.Rule
}

func cut(host string) string {
	if len(host) <= maxHost {
		return host
	}
	return host[:maxHost] + "…" // in its ASCII form it has an edge everywhere
}

// Blocked is the guard's refusal within err, or nil.
func Blocked(err error) *BlockedError {
	blocked, _ := errors.AsType[*BlockedError](err)
	return blocked
}
