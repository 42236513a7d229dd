package rpcerr

import (
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

// IsNotFound reports whether the other side knows no such thing.
func IsNotFound(err error) bool { return status.Code(err) == codes.NotFound }

// IsEnd reports whether err is only the end of the caller's own context.
func IsEnd(err error) bool {
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}

// Text is the error's text as a sentence: without the "rpc error" that comes before it, and of a connection that could not be
// made only what the system said.
func Text(err error) string {
	text := status.Convert(err).Message()
	if inner, ok := strings.CutPrefix(text, `connection error: desc = "`); ok {
		text = strings.TrimSuffix(inner, `"`)
		text = strings.TrimPrefix(text, "transport: ")
		text = strings.TrimPrefix(text, "Error while dialing: ")
	}
	return text
}
