// Package connect opens connections to targets: egress dials, TLS follows where the scheme has it. Both HTTP engines open
// theirs here.
package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
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

// Watch is told what comes of a call's dials. Its functions are called by many goroutines at once; nil ones are not called.
type Watch struct {
	Dialled func(peer string)          // a connection to that address and port is open
	Refused func(*egress.BlockedError) // the guard refused a slot's target: one call for each such slot
}

// Connector opens the connections of one call. It is safe for concurrent use.
type Connector struct {
	dialer  *egress.Dialer
	callers *egress.Policy // nil: the call's plan has none
	watch   Watch
	options plan.HTTPOptions
	tls     *tls.Config
}

// resumable is how many TLS sessions a call remembers, one for each origin: a plan has at most 10,000 requests, and more than
// a few hundred origins are rare.
const resumable = 1024

// New makes a connector for the plan. It fails when the plan was not checked by package wire.
func New(p *plan.Plan, dialer *egress.Dialer, watch Watch) (*Connector, error) {
	options := p.HTTP
	c := &Connector{dialer: dialer, watch: watch, options: options, tls: &tls.Config{
		InsecureSkipVerify: options.TLS.InsecureSkipVerify,
		ServerName:         options.TLS.ServerName,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(resumable),
	}}
	if len(options.AllowedTargets) > 0 {
		callers, err := egress.ParsePolicy(options.AllowedTargets)
		if err != nil {
			return nil, fmt.Errorf("allowed_targets: %w", err)
		}
		c.callers = &callers
	}
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
	conn, timing, err := c.dialer.Dial(ctx, o.Address, c.callers)
	opened.DNS, opened.Dial = timing.DNS, timing.Dial
	if err != nil {
		if blocked := egress.Blocked(err); blocked != nil {
			c.Refused(blocked)
		}
		return nil, &errclass.Failure{Err: err, Cause: context.Cause(ctx), Phase: errclass.Connect}
	}
	opened.Peer = conn.RemoteAddr().String()
	if c.watch.Dialled != nil {
		c.watch.Dialled(opened.Peer)
	}
	return conn, nil
}

// CheckNames refuses a hop to the origin whose Host header, or whose server name, is of another host that the policies do not allow. It
// returns nil when they do; whoever sends a slot to a hop that is refused says so to Refused instead.
func (c *Connector) CheckNames(o Origin, host string) *egress.BlockedError {
	target, text, _ := net.SplitHostPort(o.Address)
	port, _ := strconv.ParseUint(text, 10, 16) // checked by package wire, and by the dialer
	if ascii, err := httpguts.PunycodeHostPort(host); err == nil {
		host = ascii
	}
	if blocked := c.dialer.CheckName(host, target, uint16(port), c.callers); blocked != nil {
		return blocked
	}
	if name := c.options.TLS.ServerName; name != "" && o.Scheme == "https" {
		return c.dialer.CheckName(name, target, uint16(port), c.callers)
	}
	return nil
}

// Refused tells whoever watches that a slot was not sent to where it was to go.
func (c *Connector) Refused(blocked *egress.BlockedError) {
	if c.watch.Refused != nil {
		c.watch.Refused(blocked)
	}
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
