package rpcerr

import (
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/wire"
)

// Violations is what a BadRequest within err says, or nil.
func Violations(err error) []wire.Violation {
	var all []wire.Violation
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				all = append(all, wire.Violation{Field: v.GetField(), Description: v.GetDescription()})
			}
		}
	}
	return all
}

// IsInvalid reports whether the request was wrong.
func IsInvalid(err error) bool { return status.Code(err) == codes.InvalidArgument }

// IsUnavailable reports whether the other side could not be reached, or takes nothing new.
func IsUnavailable(err error) bool { return status.Code(err) == codes.Unavailable }

// IsRefusal reports whether the other side is there, and does not do this for this caller: who it is, what it may, or how much it has.
func IsRefusal(err error) bool {
	switch status.Code(err) {
	case codes.Unauthenticated, codes.PermissionDenied, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

// IsAnswer reports whether err is what a service has said, and not what became of the way there.
func IsAnswer(err error) bool {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == Domain {
			return true
		}
	}
	return false
}

// IsNotFound reports whether the other side knows no such thing.
func IsNotFound(err error) bool { return status.Code(err) == codes.NotFound }

// IsEnd reports whether err is only the end of the caller's own context.
func IsEnd(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}

var (
	// prefixes are those that grpc-go writes before a message when an error is wrapped.
	prefixes = regexp.MustCompile(`rpc error: code = \w+ desc = `)
	// nameServer is what Go's resolver says of its servers, which are our network's business, and of our address towards them.
	nameServer = regexp.MustCompile(`(lookup \S+) on \S+:((?: (?:dial|read|write) udp \S+:)*)`)
)

// IsHandshake reports whether the other side is there, and it and we did not come to terms: what Text says is to be done then.
func IsHandshake(err error) bool {
	inner, ok := notConnected(err)
	if ok {
		_, ok = explainHandshake(inner)
	}
	return ok
}

// Text is the error's text as a sentence: without the "rpc error" that comes before it, without the addresses of name servers, and of a
// connection that could not be made only what the system said.
func Text(err error) string {
	inner, ok := notConnected(err)
	if !ok {
		return message(err)
	}
	text, _ := explainHandshake(strings.TrimPrefix(inner, "Error while dialing: "))
	return text
}

// notConnected is what gRPC says of a connection that could not be made, if err says that.
func notConnected(err error) (text string, ok bool) {
	text, ok = strings.CutPrefix(message(err), `connection error: desc = "`)
	return strings.TrimPrefix(strings.TrimSuffix(text, `"`), "transport: "), ok
}

// message is the error's text without what grpc-go writes before it, and without the addresses of name servers.
func message(err error) string {
	text := prefixes.ReplaceAllString(status.Convert(err).Message(), "")
	return nameServer.ReplaceAllString(text, "$1:")
}
