// Package connect opens connections to targets: egress dials, TLS follows where the scheme has it. Both HTTP engines open
// theirs here.
package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// Origin is where a URL's connections lead.
type Origin struct {
	Scheme  string
	Address string // host:port
}

// OriginOf is the origin of a URL. An international name is in its ASCII form, the only one that name servers and
// certificates know.
func OriginOf(u *url.URL) Origin {
	host := u.Hostname()
	if ascii, err := httpguts.PunycodeHostPort(host); err == nil {
		host = ascii
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return Origin{u.Scheme, net.JoinHostPort(host, port)}
}

// Connector opens the connections of one call. It is safe for concurrent use.
type Connector struct {
	dialer  *egress.Dialer
	options plan.HTTPOptions
	tls     *tls.Config
}

// resumable is how many TLS sessions a call remembers, one for each origin: a plan has at most 10,000 requests, and more than
// a few hundred origins are rare.
const resumable = 1024

// New makes a connector for the plan. It fails when the plan was not checked by package wire.
func New(p *plan.Plan, dialer *egress.Dialer) (*Connector, error) {
	options := p.HTTP
	c := &Connector{dialer: dialer, options: options, tls: &tls.Config{
		InsecureSkipVerify: options.TLS.InsecureSkipVerify,
		ServerName:         options.TLS.ServerName,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(resumable),
	}}
	if pem := options.TLS.CAPEM; pem != "" {
		c.tls.RootCAs = x509.NewCertPool()
		if !c.tls.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return nil, errors.New("ca_pem holds no certificate")
		}
	}
	if options.TLS.CAPEM == "" && !options.TLS.InsecureSkipVerify && slices.ContainsFunc(p.Requests, isSecure) {
		// Read once in a process, when they are needed first: by then connections may have taken every file descriptor, and
		// each certificate would be one of an unknown authority from then on.
		_, _ = x509.SystemCertPool() // without roots no certificate is trusted, which is how the slots end
	}
	if cert := options.TLS.CertPEM; cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(options.TLS.KeyPEM))
		if err != nil { // which is not wrapped: it may quote the PEM
			return nil, errors.New("cert_pem and key_pem are not a certificate and its key")
		}
		// Not Certificates, which are held back when the target names other authorities: whom it takes is for it to say.
		c.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return c, nil
}

func isSecure(r plan.Request) bool {
	scheme, _, _ := strings.Cut(r.URL, ":")
	return strings.EqualFold(scheme, "https")
}

// Wrap goes between TCP and TLS.
type Wrap func(net.Conn) net.Conn

// Open makes a new connection to the origin; wrap, if not nil, gets its hands on it below TLS. The failure says how far it
// got.
func (c *Connector) Open(ctx context.Context, o Origin, wrap Wrap) (net.Conn, *outcome.Connection, *errclass.Failure) {
	opened := &outcome.Connection{Protocol: "HTTP/1.1"}
	leave, err := c.dialer.Enter(ctx)
	if err != nil {
		return nil, nil, &errclass.Failure{Err: err, Cause: context.Cause(ctx), Phase: errclass.Connect}
	}
	defer leave()
	conn, failure := c.dial(ctx, o, opened)
	if failure != nil {
		return nil, nil, failure
	}
	if wrap != nil {
		conn = wrap(conn)
	}
	if o.Scheme == "https" {
		if conn, failure = c.handshake(ctx, conn, o, opened); failure != nil {
			return nil, nil, failure
		}
	}
	return conn, opened, nil
}

func (c *Connector) dial(ctx context.Context, o Origin, opened *outcome.Connection) (net.Conn, *errclass.Failure) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.DialTimeout, errclass.ErrTimeout)
	defer cancel()
	conn, timing, err := c.dialer.Dial(ctx, o.Address)
	opened.DNS, opened.Dial = timing.DNS, timing.Dial
	if err != nil {
		return nil, &errclass.Failure{Err: err, Cause: context.Cause(ctx), Phase: errclass.Connect}
	}
	opened.Peer = conn.RemoteAddr().String()
	return conn, nil
}

func (c *Connector) handshake(ctx context.Context, raw net.Conn, o Origin, opened *outcome.Connection) (net.Conn, *errclass.Failure) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.TLSTimeout, errclass.ErrTimeout)
	defer cancel()
	config := c.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(o.Address)
	}
	begin := time.Now()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		failure := &errclass.Failure{Err: err, Cause: context.Cause(ctx), Phase: errclass.Handshake}
		_ = raw.Close()
		return nil, failure
	}
	opened.TLS = time.Since(begin)
	opened.TLSResumed = conn.ConnectionState().DidResume
	return secured{conn}, nil
}

// secured is a TLS connection on which a write that fails looks for the reason. Under TLS 1.3 a target refuses a client
// certificate when the handshake is over here; it says so in an alert and hangs up, and whether a read or a write is the first to
// notice is chance.
type secured struct{ *tls.Conn }

// Write writes, and fails with the target's alert if it has sent one.
func (s secured) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		if _, told := s.Conn.Read(make([]byte, 1)); errclass.IsAlert(told) { // what is read is of no use any more
			err = told
		}
	}
	return n, err
}
