package errclass

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

// MaxMessage is the longest message, in bytes: enough for a sentence, and all that a hostile target gets into a report.
const MaxMessage = 256

// Message is one sentence on the failure that is safe to show: it never has a header, a URL's query or the address of a
// name server in it, and no control characters.
func (f *Failure) Message(class outcome.Class) string {
	return Scrub(f.message(class))
}

func (f *Failure) message(class outcome.Class) string {
	var (
		dns       *net.DNSError
		operation *net.OpError
		errno     syscall.Errno
	)
	blocked := egress.Blocked(f.Err)
	switch {
	case blocked != nil:
		return blocked.Error()
	case class == outcome.Cancelled, class == outcome.RunDeadline, class == outcome.LeaseLost, class == outcome.Shutdown:
		return f.Cause.Error()
	case errors.As(f.Err, &dns):
		// Its own texts, Err included, name the name server, which is our network's business.
		return "looking up " + dns.Name + ": " + lookupMessage(class)
	case errors.Is(f.Err, ErrRedirect):
		return f.Err.Error()
	case class == outcome.TimeoutTotal && !f.Redirect:
		return "the timeout was over before the request was sent"
	case f.timedOut() && timeoutMessages[class] != "":
		return timeoutMessages[class]
	case class == outcome.TLSVerify && errors.As(f.Err, new(x509.UnknownAuthorityError)):
		return "the target's certificate is signed by an unknown authority" // its own text goes on for 200 bytes of hints
	case class == outcome.ConnClosedIdle:
		return "the target closed a reused connection before it answered"
	case errors.As(f.Err, &operation) && operation.Op == "dial" && operation.Addr != nil && errors.As(f.Err, &errno):
		return "dialling " + operation.Addr.String() + ": " + errno.Error()
	case errors.As(f.Err, &errno):
		return phaseNames[f.Phase] + ": " + errno.Error()
	case class == outcome.ConnEOF:
		return "the target closed the connection before it answered"
	case class == outcome.BodyTruncated:
		return "the connection ended within the response's body"
	case class == outcome.ProtoHeadTooLarge:
		return fmt.Sprintf("the response's head is longer than the worker's cap of %d bytes (max_head_bytes)", f.HeadCap)
	case class == outcome.BodyTooLarge:
		return f.Err.Error()
	case class == outcome.ProtoMalformed && (errors.Is(f.Err, io.EOF) || errors.Is(f.Err, io.ErrUnexpectedEOF)):
		return "the connection ended within the response's head"
	case class == outcome.ProtoMalformed:
		return "what the target sent is not an HTTP/1 response" // net/http's text quotes the header line
	case class == outcome.BodyChunk:
		return "the chunks of the response's body are malformed" // so it does with trailers
	case errors.As(f.Err, &operation) && operation.Source != nil:
		return phaseNames[f.Phase] + ": " + operation.Err.Error() // its own text names our address too
	default:
		return phaseNames[f.Phase] + ": " + f.Err.Error()
	}
}

func lookupMessage(class outcome.Class) string {
	switch class {
	case outcome.DNSNotFound:
		return "no such host"
	case outcome.DNSTimeout:
		return "it took too long"
	default:
		return "it failed"
	}
}

var phaseNames = map[Phase]string{
	Connect: "connecting", Handshake: "TLS handshake", Write: "writing the request", Wait: "waiting for the response",
	Head: "reading the response's head", Body: "reading the response's body", Between: "following a redirect",
}

var timeoutMessages = map[outcome.Class]string{
	outcome.DialTimeout:      "connecting took too long",
	outcome.TLSTimeout:       "the TLS handshake took too long",
	outcome.TimeoutWrite:     "writing the request took too long",
	outcome.TimeoutFirstByte: "no byte of a response came in time",
	outcome.TimeoutBody:      "the response did not end in time",
	outcome.TimeoutTotal:     "the redirects took too long",
}

// Scrub makes text from a target or from an error that quotes it safe to show: valid UTF-8, without control characters and
// marks that turn the direction of writing, at most MaxMessage bytes.
func Scrub(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return '\uFFFD'
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return ' '
		default:
			return r
		}
	}, text)
	if len(text) <= MaxMessage {
		return text
	}
	const ellipsis = "…"
	cut := MaxMessage - len(ellipsis)
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
