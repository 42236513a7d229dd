package rpcerr

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fanout-load/fanout/services/internal/wire"
)

func TestEveryErrorHasErrorInfo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		err    error
		code   codes.Code
		reason string
	}{
		{"invalid", Invalid([]wire.Violation{{Field: "a", Description: "b"}}), codes.InvalidArgument, "INVALID_REQUEST"},
		{"full", Full("worker", "no room"), codes.ResourceExhausted, "FULL"},
		{"not found", NotFound("no %s", "run"), codes.NotFound, "NOT_FOUND"},
		{"already exists", AlreadyExists("there"), codes.AlreadyExists, "ALREADY_EXISTS"},
		{"wrong instance", WrongInstance("other"), codes.FailedPrecondition, "WRONG_INSTANCE"},
		{"shutting down", ShuttingDown("worker"), codes.Unavailable, "SHUTTING_DOWN"},
		{"no workers", NoWorkers("none"), codes.Unavailable, "NO_WORKERS"},
		{"unauthenticated", Unauthenticated(), codes.Unauthenticated, "UNAUTHENTICATED"},
		{"role too low", RoleTooLow("%s", "reader"), codes.PermissionDenied, "ROLE_TOO_LOW"},
		{"closed method", MethodClosed("/a/B"), codes.PermissionDenied, "METHOD_CLOSED"},
		{"another's", NotOwner("run %s", "r"), codes.PermissionDenied, "NOT_OWNER"},
		{"internal", Internal(), codes.Internal, "INTERNAL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := status.Convert(tt.err)
			info, ok := s.Details()[0].(*errdetails.ErrorInfo)
			if s.Code() != tt.code || !ok || info.GetReason() != tt.reason || info.GetDomain() != Domain {
				t.Errorf("error = %v with %v, want %v and reason %s", s.Code(), info, tt.code, tt.reason)
			}
		})
	}
}

// All violations are in the details; the message, which travels in a header, names the first few.
func TestManyViolations(t *testing.T) {
	t.Parallel()
	var many []wire.Violation
	for range 50 {
		many = append(many, wire.Violation{Field: "plan.field", Description: "is wrong"})
	}
	err := Invalid(many)
	if got := len(Violations(err)); got != 50 {
		t.Errorf("Violations = %d, want 50", got)
	}
	if text := Text(err); !strings.HasSuffix(text, "and 47 more") || strings.Count(text, "is wrong") != 3 {
		t.Errorf("Text = %q, want three and the number of the others", text)
	}
	if !IsInvalid(err) {
		t.Error("IsInvalid = false")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	refused := status.Error(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:9: connect: connection refused"`)
	for err, want := range map[error]bool{refused: false, Store("the disk is full"): true, errors.New("lost"): false} {
		if got := IsAnswer(err); got != want {
			t.Errorf("IsAnswer(%v) = %v, want %v", err, got, want)
		}
	}
	if got, want := Text(refused), "dial tcp 127.0.0.1:9: connect: connection refused"; got != want {
		t.Errorf("Text = %q, want %q", got, want)
	}
	for text, want := range map[string]string{
		"dial tcp: lookup workers on 10.0.0.53:53: no such host":                                           "dial tcp: lookup workers: no such host",
		"lookup w.test on [fd00::53]:53: read udp 10.0.0.9:4100->10.0.0.53:53: i/o timeout":                "lookup w.test: i/o timeout",
		"lookup w on 10.0.0.53:53: dial udp 10.0.0.53:53: read udp 10.0.0.9:41->10.0.0.53:53: i/o timeout": "lookup w: i/o timeout",
		"a lookup on 3 workers: fine": "a lookup on 3 workers: fine",
		`connection error: desc = "transport: Error while dialing: dial tcp: lookup w on 10.0.0.53:53: no such host"`: "dial tcp: lookup w: no such host",
	} {
		if got := Text(status.Error(codes.Unavailable, text)); got != want {
			t.Errorf("Text(%q) = %q, want %q", text, got, want)
		}
	}
	if got, want := Text(fmt.Errorf("asking: %w", refused)), "asking: "; !strings.HasPrefix(got, want) || strings.Contains(got, "rpc error") {
		t.Errorf("Text of a wrapped error = %q, want it without what grpc-go writes before it", got)
	}
	if got := Text(errors.New("plain")); got != "plain" {
		t.Errorf("Text = %q, want plain", got)
	}
}
