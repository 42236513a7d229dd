package httpstd

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/worker/internal/errclass"
)

// open makes a new connection to the origin. When it fails the attempt's phase and cause say how far it got.
func (c *Client) open(ctx context.Context, o origin, a *attempt) (*conn, error) {
	opened := &outcome.Connection{Protocol: "HTTP/1.1"}
	raw, err := c.dial(ctx, o, opened, a)
	if err != nil {
		return nil, err
	}
	if o.scheme == "https" {
		if raw, err = c.handshake(ctx, raw, o, opened, a); err != nil {
			return nil, err
		}
	}
	wire := &wireConn{Conn: raw}
	client, err := c.transport.NewClientConn(context.WithValue(ctx, handedOver{}, net.Conn(wire)), o.scheme, o.address)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{http: client, wire: wire, opened: opened}, nil
}

func (c *Client) dial(ctx context.Context, o origin, opened *outcome.Connection, a *attempt) (net.Conn, error) {
	a.phase = errclass.Connect
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.DialTimeout, errclass.ErrTimeout)
	defer cancel()
	conn, timing, err := c.config.Dialer.Dial(ctx, o.address)
	opened.DNS, opened.Dial = timing.DNS, timing.Dial
	if err != nil {
		a.cause = context.Cause(ctx)
		return nil, err
	}
	opened.Peer = conn.RemoteAddr().String()
	return conn, nil
}

func (c *Client) handshake(ctx context.Context, raw net.Conn, o origin, opened *outcome.Connection, a *attempt) (net.Conn, error) {
	a.phase = errclass.Handshake
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.TLSTimeout, errclass.ErrTimeout)
	defer cancel()
	config := c.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(o.address)
	}
	begin := time.Now()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		a.cause = context.Cause(ctx)
		_ = raw.Close()
		return nil, err
	}
	opened.TLS = time.Since(begin)
	return conn, nil
}
