// Package rpcerr makes the errors of our RPCs, and reads them: canonical codes, always with google.rpc.ErrorInfo, and with
// BadRequest, QuotaFailure and RetryInfo where they apply. Status codes are chosen here and nowhere else.
package rpcerr

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/fanout-load/fanout/services/internal/wire"
)

// Domain is the domain of every ErrorInfo.
const Domain = "fanout.v1"

// retryDelay is when a caller may come back to a full service: about when a short call has ended.
const retryDelay = time.Second

// Invalid is INVALID_ARGUMENT with every violation.
func Invalid(violations []wire.Violation) error {
	bad := &errdetails.BadRequest{}
	var text []string
	for _, v := range violations {
		bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: v.Field, Description: v.Description})
		text = append(text, v.Field+": "+v.Description)
	}
	// The message travels in a header: the details have all of it.
	const shown = 3
	message := strings.Join(text[:min(len(text), shown)], "; ")
	if more := len(text) - shown; more > 0 {
		message += fmt.Sprintf("; and %d more", more)
	}
	return build(codes.InvalidArgument, "INVALID_REQUEST", message, bad)
}

// Full is RESOURCE_EXHAUSTED: what the subject has is taken, come back later.
func Full(subject, message string) error {
	return build(codes.ResourceExhausted, "FULL", message,
		&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{Subject: subject, Description: message}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(retryDelay)})
}

// Unauthenticated is UNAUTHENTICATED. The text is always the same: what was wrong with what a caller has shown would help to guess.
func Unauthenticated() error {
	return build(codes.Unauthenticated, "UNAUTHENTICATED", "this service does not know you; send a token that it knows (fanout: --token-file) in the metadata, as"+
		" authorization: Bearer TOKEN, or connect with a client certificate that its CA has signed (fanout: --tls-cert and --tls-key)")
}

// RoleTooLow is PERMISSION_DENIED: the caller has not the role that the method asks for.
func RoleTooLow(format string, args ...any) error {
	return build(codes.PermissionDenied, "ROLE_TOO_LOW", fmt.Sprintf(format, args...))
}

// MethodClosed is PERMISSION_DENIED: nobody may call the method.
func MethodClosed(method string) error {
	return build(codes.PermissionDenied, "METHOD_CLOSED", method+" is open to nobody")
}

// NotOwner is PERMISSION_DENIED: what the caller wants to end is another's.
func NotOwner(format string, args ...any) error {
	return build(codes.PermissionDenied, "NOT_OWNER", fmt.Sprintf(format, args...))
}

// NotFound is NOT_FOUND.
func NotFound(format string, args ...any) error {
	return build(codes.NotFound, "NOT_FOUND", fmt.Sprintf(format, args...))
}

// AlreadyExists is ALREADY_EXISTS.
func AlreadyExists(format string, args ...any) error {
	return build(codes.AlreadyExists, "ALREADY_EXISTS", fmt.Sprintf(format, args...))
}

// WrongInstance is FAILED_PRECONDITION: the call is meant for another process.
func WrongInstance(format string, args ...any) error {
	return build(codes.FailedPrecondition, "WRONG_INSTANCE", fmt.Sprintf(format, args...))
}

// ShuttingDown is UNAVAILABLE: the service takes nothing new.
func ShuttingDown(service string) error {
	return build(codes.Unavailable, "SHUTTING_DOWN", "the "+service+" is shutting down")
}

// Fenced is FAILED_PRECONDITION: a higher epoch owns the lease.
func Fenced(message string) error {
	return build(codes.FailedPrecondition, "FENCED", message)
}

// Replaced is ABORTED: another caller has taken the shard of a lease.
func Replaced(message string) error {
	return build(codes.Aborted, "REPLACED", message)
}

// Unread is ABORTED: the caller does not read its stream.
func Unread(bound time.Duration) error {
	return build(codes.Aborted, "UNREAD", fmt.Sprintf("nobody has read this stream for %v; read it, or ask for less", bound))
}

// Gap is OUT_OF_RANGE: a renewal does not go on from what the worker has.
func Gap(message string) error {
	return build(codes.OutOfRange, "GAP", message)
}

// NoState is UNAVAILABLE: what has to be kept cannot be, on this machine.
func NoState(message string) error {
	return build(codes.Unavailable, "NO_STATE", message)
}

// Store is UNAVAILABLE: the store takes nothing, or gives nothing.
func Store(message string) error {
	return build(codes.Unavailable, "STORE", message)
}

// NotEnded is FAILED_PRECONDITION: the run still goes on.
func NotEnded(format string, args ...any) error {
	return build(codes.FailedPrecondition, "NOT_ENDED", fmt.Sprintf(format, args...))
}

// NoWorkers is UNAVAILABLE: the workers cannot be found.
func NoWorkers(message string) error {
	return build(codes.Unavailable, "NO_WORKERS", message)
}

// Internal is INTERNAL with a text that tells a caller nothing; the cause belongs in the log.
func Internal() error {
	return build(codes.Internal, "INTERNAL", "internal error; the service's log has the details")
}

// maxMessage bounds a status message, which may quote what a caller sent: it travels in a header, and clients take 8 KiB of those by
// default, but for Go's.
const maxMessage = 2 << 10

func build(code codes.Code, reason, message string, details ...protoadapt.MessageV1) error {
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	s := status.New(code, message)
	details = append([]protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: reason, Domain: Domain}}, details...)
	with, err := s.WithDetails(details...)
	if err != nil { // a detail that does not marshal; the code and the text still say what matters
		return s.Err()
	}
	return with.Err()
}
