package errclass

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errBlocked is the guard's refusal, wrapped as a caller would.
var errBlocked = fmt.Errorf("dialling: %w", &egress.BlockedError{Host: "h", Addr: netip.MustParseAddr("169.254.169.254")})

// system is the error of a system call as package net returns it.
func system(operation string, errno syscall.Errno) error {
	addr := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	return &net.OpError{Op: operation, Net: "tcp", Addr: addr, Err: os.NewSyscallError(operation, errno)}
}

func TestClass(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	for _, tt := range []struct {
		name    string
		failure Failure
		want    outcome.Class
	}{
		{"blocked", Failure{Err: errBlocked}, outcome.PolicyBlocked},
		{"blocked hop", Failure{Err: errBlocked, Redirect: true}, outcome.PolicyRedirect},
		{"refused redirect", Failure{Err: fmt.Errorf("%w: ftp", ErrRedirect), Phase: Body}, outcome.PolicyRedirect},
		{"blocked while cancelled", Failure{Err: errBlocked, Cause: ErrCancelled}, outcome.PolicyBlocked},

		{"cancelled", Failure{Err: context.Canceled, Cause: ErrCancelled, Phase: Wait}, outcome.Cancelled},
		{"run deadline", Failure{Err: net.ErrClosed, Cause: ErrRunDeadline, Phase: Body}, outcome.RunDeadline},
		{"shutdown", Failure{Err: context.Canceled, Cause: fmt.Errorf("why: %w", ErrShutdown), Phase: Handshake}, outcome.Shutdown},
		{"cancelled for want of files", Failure{Err: system("socket", syscall.EMFILE), Cause: ErrCancelled}, outcome.Cancelled},
		{"cancelled on a reused connection", Failure{Err: io.EOF, Cause: ErrCancelled, Phase: Wait, Reused: true}, outcome.Cancelled},

		{"EMFILE", Failure{Err: system("socket", syscall.EMFILE)}, outcome.LocalFiles},
		{"ENFILE", Failure{Err: system("socket", syscall.ENFILE)}, outcome.LocalFiles},
		{"EADDRNOTAVAIL", Failure{Err: system("connect", syscall.EADDRNOTAVAIL)}, outcome.LocalPorts},
		{"EADDRINUSE", Failure{Err: system("connect", syscall.EADDRINUSE)}, outcome.LocalPorts},
		{"ENOBUFS", Failure{Err: system("connect", syscall.ENOBUFS)}, outcome.LocalMemory},
		{"ENOMEM", Failure{Err: system("socket", syscall.ENOMEM)}, outcome.LocalMemory},
		{"EPERM", Failure{Err: system("connect", syscall.EPERM)}, outcome.LocalDenied},
		{"EACCES", Failure{Err: system("connect", syscall.EACCES)}, outcome.LocalDenied},
		{"EMFILE of a look-up", Failure{Err: lookup("dial udp 127.0.0.1:53: socket: " + syscall.EMFILE.Error())}, outcome.LocalFiles},
		{"EPERM of a look-up", Failure{Err: lookup("write udp 127.0.0.1:1->127.0.0.1:53: write: " + syscall.EPERM.Error())}, outcome.LocalDenied},
		{"a look-up that failed otherwise", Failure{Err: lookup("server misbehaving")}, outcome.DNSOther},
		{"EPERM of an open connection", Failure{Err: system("write", syscall.EPERM), Phase: Write}, outcome.Other},

		{"no such name", Failure{Err: &net.DNSError{IsNotFound: true}}, outcome.DNSNotFound},
		{"silent name server", Failure{Err: &net.DNSError{IsTimeout: true}}, outcome.DNSTimeout},
		{"look-up beyond the timeout", Failure{Err: &net.DNSError{}, Cause: ErrTimeout}, outcome.DNSTimeout},
		{"broken name server", Failure{Err: &net.DNSError{}}, outcome.DNSOther},
		{"refused", Failure{Err: system("dial", syscall.ECONNREFUSED)}, outcome.DialRefused},
		{"no route to the network", Failure{Err: system("dial", syscall.ENETUNREACH)}, outcome.DialUnreachable},
		{"no route to the host", Failure{Err: system("dial", syscall.EHOSTUNREACH)}, outcome.DialUnreachable},
		{"the system's dial timeout", Failure{Err: system("dial", syscall.ETIMEDOUT)}, outcome.DialTimeout},
		{"our dial timeout", Failure{Err: context.DeadlineExceeded, Cause: ErrTimeout}, outcome.DialTimeout},
		{"reset by dialling", Failure{Err: system("dial", syscall.ECONNRESET)}, outcome.DialOther},

		{"another host's certificate", Failure{Err: verification(x509.HostnameError{Certificate: new(x509.Certificate)}), Phase: Handshake}, outcome.TLSHostname},
		{"unknown authority", Failure{Err: verification(x509.UnknownAuthorityError{}), Phase: Handshake}, outcome.TLSVerify},
		{"invalid certificate", Failure{Err: verification(x509.CertificateInvalidError{}), Phase: Handshake}, outcome.TLSVerify},
		{"any other verification", Failure{Err: verification(errors.New("no")), Phase: Handshake}, outcome.TLSVerify},
		{"no TLS", Failure{Err: tls.RecordHeaderError{}, Phase: Handshake}, outcome.TLSNotTLS},
		{"alert", Failure{Err: alert, Phase: Handshake}, outcome.TLSAlert},
		{"end in the handshake", Failure{Err: io.EOF, Phase: Handshake}, outcome.TLSAlert},
		{"reset in the handshake", Failure{Err: system("read", syscall.ECONNRESET), Phase: Handshake}, outcome.TLSAlert},
		{"slow handshake", Failure{Err: context.DeadlineExceeded, Cause: ErrTimeout, Phase: Handshake}, outcome.TLSTimeout},
		{"alert after the handshake", Failure{Err: alert, Phase: Wait}, outcome.TLSAlert},

		{"timeout of the write", Failure{Err: net.ErrClosed, Cause: ErrTimeout, Phase: Write}, outcome.TimeoutWrite},
		{"timeout of the first byte", Failure{Err: net.ErrClosed, Cause: ErrTimeout, Phase: Wait}, outcome.TimeoutFirstByte},
		{"timeout in the head", Failure{Err: net.ErrClosed, Cause: ErrTimeout, Phase: Head}, outcome.TimeoutBody},
		{"timeout in the body", Failure{Err: os.ErrDeadlineExceeded, Phase: Body}, outcome.TimeoutBody},
		{"timeout between hops", Failure{Err: ErrTimeout, Cause: ErrTimeout, Phase: Between}, outcome.TimeoutTotal},
		{"timeout on a reused connection", Failure{Err: net.ErrClosed, Cause: ErrTimeout, Phase: Wait, Reused: true}, outcome.TimeoutFirstByte},

		{"reused, ended", Failure{Err: io.EOF, Phase: Wait, Reused: true}, outcome.ConnClosedIdle},
		{"reused, reset", Failure{Err: system("read", syscall.ECONNRESET), Phase: Wait, Reused: true}, outcome.ConnClosedIdle},
		{"reused, not writable", Failure{Err: system("write", syscall.EPIPE), Phase: Write, Reused: true}, outcome.ConnClosedIdle},
		{"reused, reset in the head", Failure{Err: system("read", syscall.ECONNRESET), Phase: Head, Reused: true}, outcome.ConnReset},
		{"reset", Failure{Err: system("read", syscall.ECONNRESET), Phase: Wait}, outcome.ConnReset},
		{"aborted", Failure{Err: system("read", syscall.ECONNABORTED), Phase: Wait}, outcome.ConnReset},
		{"end", Failure{Err: io.EOF, Phase: Wait}, outcome.ConnEOF},
		{"not writable", Failure{Err: system("write", syscall.EPIPE), Phase: Write}, outcome.ConnPipe},
		{"end in the head", Failure{Err: io.ErrUnexpectedEOF, Phase: Head}, outcome.ProtoMalformed},
		{"no HTTP", Failure{Err: errors.New("malformed"), Phase: Head}, outcome.ProtoMalformed},
		{"full head", Failure{Err: errors.New("too long"), Phase: Head, HeadFull: true}, outcome.ProtoHeadTooLarge},
		{"a body that is too long", Failure{Err: &BodyTooLargeError{10}, Phase: Body, Chunked: true}, outcome.BodyTooLarge},

		{"end in the body", Failure{Err: io.ErrUnexpectedEOF, Phase: Body}, outcome.BodyTruncated},
		{"end in a chunk", Failure{Err: io.ErrUnexpectedEOF, Phase: Body, Chunked: true}, outcome.BodyTruncated},
		{"reset in the body", Failure{Err: system("read", syscall.ECONNRESET), Phase: Body, Reused: true}, outcome.BodyReset},
		{"malformed chunk", Failure{Err: errors.New("malformed"), Phase: Body, Chunked: true}, outcome.BodyChunk},
		{"anything else", Failure{Err: errors.New("?"), Phase: Body}, outcome.Other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := tt.failure.Class()
			if got != tt.want {
				t.Errorf("Class() = %v, want %v", got, tt.want)
			}
			if message := tt.failure.Message(got); !showable(message) {
				t.Errorf("Message(%v) = %q, want a sentence", got, message)
			}
		})
	}
}

// lookup is an error of Go's resolver, which has the text of its cause and not the cause.
func lookup(text string) error {
	return &net.DNSError{Err: text, Name: "h.example", Server: "127.0.0.1:53", IsTemporary: true}
}

func verification(err error) error {
	return &tls.CertificateVerificationError{Err: err}
}

// showable reports whether a message is one that may be shown, and says something.
func showable(message string) bool {
	return message != "" && len(message) <= MaxMessage && utf8.ValidString(message) && !strings.ContainsFunc(message, unicode.IsControl)
}

// A failure and its context's end may come at the same time, in any phase: there is a message whatever they are.
func TestEveryFailureHasAMessage(t *testing.T) {
	t.Parallel()
	failed := []error{
		errBlocked, ErrRedirect, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.Canceled, context.DeadlineExceeded, &net.DNSError{Name: "h"},
		tls.RecordHeaderError{Msg: "not TLS"},
		verification(x509.UnknownAuthorityError{}), textproto.ProtocolError("malformed"),
		system("dial", syscall.ECONNREFUSED), system("dial", syscall.EMFILE), system("read", syscall.ECONNRESET), system("write", syscall.EPIPE),
	}
	for _, err := range failed {
		for _, cause := range []error{nil, ErrTimeout, ErrCancelled, ErrRunDeadline, ErrShutdown} {
			for phase := Connect; phase <= Between; phase++ {
				for bits := range 16 {
					f := Failure{
						Err: err, Cause: cause, Phase: phase,
						Reused: bits&1 != 0, Redirect: bits&2 != 0, Chunked: bits&4 != 0, HeadFull: bits&8 != 0,
					}
					class := f.Class()
					if message := f.Message(class); class == outcome.NoError || !showable(message) {
						t.Fatalf("%+v = %v, %q, want a class and a sentence", f, class, message)
					}
				}
			}
		}
	}
}

// Messages reach whoever called for the load, who may know neither our name servers nor the target's headers.
func TestMessagesKeepSecrets(t *testing.T) {
	t.Parallel()
	const nameServer = "read udp 10.0.0.9:41000->10.0.0.53:53: read: connection refused"
	header := fmt.Errorf("broken: %w", textproto.ProtocolError(`malformed MIME header line: "Set-Cookie : secret"`))
	for _, tt := range []struct {
		name    string
		failure Failure
		want    string
	}{
		{"name server", Failure{Err: &net.DNSError{Name: "h.example", Err: nameServer, Server: "10.0.0.53:53"}}, "looking up h.example: it failed"},
		{
			"silent name server",
			Failure{Err: &net.DNSError{Name: "h.example", Err: nameServer, Server: "10.0.0.53:53", IsTimeout: true}},
			"looking up h.example: it took too long",
		},
		{"no such host", Failure{Err: &net.DNSError{Name: "h.example", Err: "?", IsNotFound: true}}, "looking up h.example: no such host"},
		{"header", Failure{Err: header, Phase: Head}, "what the target sent is not an HTTP/1 response"},
		{"trailer", Failure{Err: header, Phase: Body, Chunked: true}, "the chunks of the response's body are malformed"},
		{"end in the head", Failure{Err: io.ErrUnexpectedEOF, Phase: Head}, "the connection ended within the response's head"},
		{"system call", Failure{Err: system("read", syscall.ECONNRESET), Phase: Body}, "reading the response's body: connection reset by peer"},
		{
			"our own address",
			Failure{Err: fmt.Errorf("reading: %w", &net.OpError{
				Op: "read", Net: "tcp", Source: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 41000}, Addr: &net.TCPAddr{Port: 80}, Err: net.ErrClosed,
			}), Phase: Body},
			"reading the response's body: use of closed network connection",
		},
		{"dial", Failure{Err: system("dial", syscall.ECONNREFUSED)}, "dialling 127.0.0.1:80: connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.failure.Message(tt.failure.Class()); got != tt.want {
				t.Errorf("Message(%v) = %q, want %q", tt.failure.Class(), got, tt.want)
			}
		})
	}
}

func TestScrub(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "café", "café"},
		{"empty", "", ""},
		{"controls", "a\r\nb\x1b[2Jc\u0085", "a  b [2Jc "},
		{"direction", "a\u202eb\u2066c", "a b c"},
		{"not UTF-8", "a\xffb", "a\uFFFDb"},
		{"at the limit", strings.Repeat("x", MaxMessage), strings.Repeat("x", MaxMessage)},
		{"beyond it", strings.Repeat("x", MaxMessage+1), strings.Repeat("x", MaxMessage-3) + "…"},
		{"cut rune", strings.Repeat("é", MaxMessage), strings.Repeat("é", (MaxMessage-3)/2) + "…"},
		{"longer when scrubbed", strings.Repeat("\xff", MaxMessage), strings.Repeat("\uFFFD", 84) + "…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Scrub(tt.text); got != tt.want || len(got) > MaxMessage {
				t.Errorf("Scrub(%q) = %q, %d bytes, want %q", tt.text, got, len(got), tt.want)
			}
		})
	}
}
