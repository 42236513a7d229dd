// Package httpstd sends requests with net/http, one connection at a time: Transport.NewClientConn has no pool and, unlike
// Transport.RoundTrip, never sends a request a second time when a reused connection fails. So one hop is one attempt on the
// wire. Each connection costs three goroutines and about 30 KiB. It is the reference that package http1 is held against.
package httpstd

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/fanout-load/fanout/services/internal/egress"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/worker/internal/connect"
	"github.com/fanout-load/fanout/services/worker/internal/request"
)

// Config is what a Client needs beside the plan.
type Config struct {
	RunID     string // sent as X-Fanout-Run
	UserAgent string
	Dialer    *egress.Dialer
	Start     time.Time // the run's start, from which outcomes count
	Watch     connect.Watch
	MaxHead   int   // the longest head of a response, in bytes; default: the default cap
	MaxBody   int64 // the longest body of a response, in bytes; 0: as long as it likes
	// Held reports whether the call may still send. It is asked before a request is written, if opening a connection or a redirect's
	// hop came between it and the slot's beginning. Nil: it may.
	Held func() bool
}

// Client sends the requests of one call and holds its connections. Its senders may run at once.
type Client struct {
	config    Config
	plan      *plan.Plan
	fresh     bool                   // all at once: no slot waits for another's connection, and none gets it
	hops      []*request.Hop         // by request
	refused   []*egress.BlockedError // by request: why it must not be sent, since it bears the name of a host that is not allowed; nil: it may
	connector *connect.Connector
	transport *http.Transport
	idle      idle
	buffers   sync.Pool // of *[]byte, to read bodies with
}

// New makes a client for the plan's requests. It fails when the plan was not checked by package wire.
func New(p *plan.Plan, config Config) (*Client, error) {
	config.MaxHead = cmp.Or(config.MaxHead, int(plan.DefaultCaps().HeadBytes))
	c := &Client{
		config:  config,
		plan:    p,
		fresh:   p.Load.AllAtOnce(),
		buffers: sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }},
	}
	var err error
	if c.connector, err = connect.New(p, config.Dialer, config.Watch); err != nil {
		return nil, err
	}
	for i := range p.Requests {
		hop, err := request.First(&p.Requests[i], config.RunID, config.UserAgent)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		c.hops = append(c.hops, hop)
		c.refused = append(c.refused, c.connector.CheckNames(hop.Origin(), hop.Host))
	}
	c.transport = &http.Transport{
		DialContext:            handOver,
		DialTLSContext:         handOver,
		DisableCompression:     true, // bodies are measured as they are on the wire
		MaxResponseHeaderBytes: int64(config.MaxHead),
		Protocols:              new(http.Protocols),
	}
	c.transport.Protocols.SetHTTP1(true)
	return c, nil
}

// Close closes the connections that no sender holds. The senders have ended.
func (c *Client) Close() { c.idle.close() }

// handedOver is the context key under which open hands a connection to the transport.
type handedOver struct{}

// handOver is the transport's dial function: the connection, TLS included, has been made already.
func handOver(ctx context.Context, _, _ string) (net.Conn, error) {
	return ctx.Value(handedOver{}).(net.Conn), nil
}
