// Package errclass maps what went wrong with a request to the closed list of error classes, and to a message that is safe to
// show. Every HTTP engine calls it with what it saw; it looks at typed errors and at the phase, never at an error's text.
package errclass

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// Causes with which a call's contexts are cancelled: context.Cause tells a sender why it has to stop.
var (
	ErrCancelled   = errors.New("the call was cancelled")
	ErrRunDeadline = errors.New("the load's grace or the call's deadline was over")
	ErrShutdown    = errors.New("the worker shut down")
	ErrLeaseLost   = errors.New("the lease was not renewed")
	ErrTimeout     = errors.New("the timeout was over")
	// ErrBlocked ends what is claimed, and nothing that is in flight.
	ErrBlocked = errors.New("the egress guard had refused too many requests")
)

// ErrRedirect is a redirect that is not followed because of where it leads.
var ErrRedirect = errors.New("redirect refused")

// BodyTooLargeError says that the body of a response is longer than it may be.
type BodyTooLargeError struct{ Cap int64 }

// Error names the cap.
func (e *BodyTooLargeError) Error() string {
	return fmt.Sprintf("the response's body is longer than the worker's cap of %d bytes (max_response_bytes)", e.Cap)
}

// Phase is how far an attempt got.
type Phase int32

// The phases of an attempt, in their order.
const (
	Connect   Phase = iota // name resolution and TCP
	Handshake              // TLS
	Write                  // the request
	Wait                   // for the first byte of the response
	Head                   // the response's head has begun
	Body                   // the head is complete
	Between                // two hops of a redirect
)

// Failure is what an engine saw of an attempt that failed.
type Failure struct {
	Err      error // what failed
	Cause    error // context.Cause of the attempt; nil: nobody stopped it
	Phase    Phase
	Reused   bool // the connection had carried a request before
	Redirect bool // the attempt was a redirect's hop
	Chunked  bool // the response's body came in chunks
	HeadFull bool // as many bytes of head arrived as are allowed
	HeadCap  int  // so many
}

// Class is the class of the failure: the first that fits in the order of origin (policy, control, local), then of phase.
func (f *Failure) Class() outcome.Class {
	switch {
	case egress.Blocked(f.Err) != nil && f.Redirect, errors.Is(f.Err, ErrRedirect):
		return outcome.PolicyRedirect
	case egress.Blocked(f.Err) != nil:
		return outcome.PolicyBlocked
	case errors.Is(f.Cause, ErrCancelled):
		return outcome.Cancelled
	case errors.Is(f.Cause, ErrRunDeadline):
		return outcome.RunDeadline
	case errors.Is(f.Cause, ErrShutdown):
		return outcome.Shutdown
	case errors.Is(f.Cause, ErrLeaseLost):
		return outcome.LeaseLost
	}
	if class := local(f.Err, f.Phase); class != outcome.NoError {
		return class
	}
	switch f.Phase {
	case Connect:
		return connect(f.Err, f.timedOut())
	case Handshake:
		return handshake(f.Err, f.timedOut())
	default:
		return f.exchange()
	}
}

func (f *Failure) timedOut() bool {
	var network net.Error
	return errors.Is(f.Cause, ErrTimeout) || errors.Is(f.Err, context.DeadlineExceeded) ||
		errors.Is(f.Err, os.ErrDeadlineExceeded) || errors.As(f.Err, &network) && network.Timeout()
}

// local is the class of this machine's own lack, which only opening a connection can meet. Once it is open, EPERM and its
// like could only be the target's doing.
func local(err error, phase Phase) outcome.Class {
	if phase != Connect {
		return outcome.NoError
	}
	var dns *net.DNSError
	lookingUp := errors.As(err, &dns)
	for _, l := range []struct {
		errno syscall.Errno
		class outcome.Class
	}{
		{syscall.EMFILE, outcome.LocalFiles},
		{syscall.ENFILE, outcome.LocalFiles},
		{syscall.EADDRNOTAVAIL, outcome.LocalPorts},
		{syscall.EADDRINUSE, outcome.LocalPorts},
		{syscall.ENOBUFS, outcome.LocalMemory},
		{syscall.ENOMEM, outcome.LocalMemory},
		{syscall.EPERM, outcome.LocalDenied},
		{syscall.EACCES, outcome.LocalDenied},
	} {
		// Go's resolver keeps only the text of what kept it from asking a name server.
		if errors.Is(err, l.errno) || lookingUp && strings.HasSuffix(dns.Err, ": "+l.errno.Error()) {
			return l.class
		}
	}
	return outcome.NoError
}

func connect(err error, timedOut bool) outcome.Class {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return outcome.DNSNotFound
	case errors.As(err, &dns) && (dns.IsTimeout || timedOut):
		return outcome.DNSTimeout
	case errors.As(err, &dns):
		return outcome.DNSOther
	case errors.Is(err, syscall.ECONNREFUSED):
		return outcome.DialRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return outcome.DialUnreachable
	case timedOut, errors.Is(err, syscall.ETIMEDOUT):
		return outcome.DialTimeout
	default:
		return outcome.DialOther
	}
}

func handshake(err error, timedOut bool) outcome.Class {
	var (
		hostname  x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		roots     x509.SystemRootsError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
	)
	switch {
	case timedOut:
		return outcome.TLSTimeout
	case errors.As(err, &hostname):
		return outcome.TLSHostname
	case errors.As(err, &authority), errors.As(err, &invalid), errors.As(err, &roots), errors.As(err, &verify):
		return outcome.TLSVerify
	case errors.As(err, &record):
		return outcome.TLSNotTLS
	default:
		return outcome.TLSAlert
	}
}

// exchange is the class of a failure on an open connection.
func (f *Failure) exchange() outcome.Class {
	switch {
	case f.timedOut():
		return f.timeout()
	case IsAlert(f.Err):
		return outcome.TLSAlert
	case f.Phase == Body:
		return f.body()
	case f.HeadFull:
		return outcome.ProtoHeadTooLarge
	case f.Reused && f.Phase <= Wait:
		return outcome.ConnClosedIdle
	case errors.Is(f.Err, syscall.ECONNRESET), errors.Is(f.Err, syscall.ECONNABORTED):
		return outcome.ConnReset
	case f.Phase == Head:
		return outcome.ProtoMalformed
	case errors.Is(f.Err, syscall.EPIPE):
		return outcome.ConnPipe
	case errors.Is(f.Err, io.EOF), errors.Is(f.Err, io.ErrUnexpectedEOF):
		return outcome.ConnEOF
	default:
		return outcome.Other
	}
}

// IsAlert reports whether err is a TLS alert, of the peer or our own: with TLS 1.3 a client certificate is refused only after
// the handshake. crypto/tls has no exported type for it, but a fixed Op.
func IsAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && (operation.Op == "remote error" || operation.Op == "local error")
}

func (f *Failure) timeout() outcome.Class {
	switch f.Phase {
	case Write:
		return outcome.TimeoutWrite
	case Wait:
		return outcome.TimeoutFirstByte
	case Head, Body:
		return outcome.TimeoutBody
	default:
		return outcome.TimeoutTotal
	}
}

func (f *Failure) body() outcome.Class {
	switch {
	case errors.As(f.Err, new(*BodyTooLargeError)):
		return outcome.BodyTooLarge
	case errors.Is(f.Err, syscall.ECONNRESET), errors.Is(f.Err, syscall.ECONNABORTED):
		return outcome.BodyReset
	case errors.Is(f.Err, io.EOF), errors.Is(f.Err, io.ErrUnexpectedEOF):
		return outcome.BodyTruncated
	case f.Chunked:
		return outcome.BodyChunk
	default:
		return outcome.Other
	}
}
