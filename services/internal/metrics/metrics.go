// Package metrics tells a Prometheus server what a service counts: over HTTP, in its text format, in plaintext and to anyone who reaches
// the port. It alone knows Prometheus' libraries. Services name their figures and give functions to read them; nothing here is asked on
// the way of a request. Labels have the values of closed lists: no URL, target, subject or error text is ever one.
package metrics

import (
	"net"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"google.golang.org/grpc"
)

// Endpoint is what a service shows, and where. Figures are added before Serve. A nil Endpoint is none: it takes figures, and shows
// nobody any.
type Endpoint struct {
	listener net.Listener
	registry *prometheus.Registry
	calls    *grpcprom.ServerMetrics
}

// New makes the endpoint of a service of this version, with the figures of Go's runtime and of the process. It serves on the listener,
// which its owner closes after Serve, which may have; without one there is no endpoint.
func New(l net.Listener, version string) *Endpoint {
	if l == nil {
		return nil
	}
	// Without histograms: a FanOut lasts as long as its load, of which a distribution says nothing.
	e := &Endpoint{listener: l, registry: prometheus.NewRegistry(), calls: grpcprom.NewServerMetrics()}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "fanout_build_info", Help: "Always 1; the label says which version this is.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	e.registry.MustRegister(build, e.calls, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return e
}

// Addr is where the endpoint listens. There has to be one.
func (e *Endpoint) Addr() net.Addr { return e.listener.Addr() }

// Gauge adds a figure that goes up and down. read is called from any goroutine, when somebody asks.
func (e *Endpoint) Gauge(name, help string, read func() int64) {
	if e == nil {
		return
	}
	e.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(read()) }))
}

// Counters is figures that only grow, one for each value of a label. The zero value counts nothing. It is safe for concurrent use.
type Counters struct{ of map[string]prometheus.Counter }

// Counters adds figures that only grow, one for each value of the label, from 0. There are never more of them.
func (e *Endpoint) Counters(name, help, label string, values []string) Counters {
	if e == nil {
		return Counters{}
	}
	all := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	c := Counters{make(map[string]prometheus.Counter, len(values))}
	for _, value := range values {
		c.of[value] = all.WithLabelValues(value)
	}
	e.registry.MustRegister(all)
	return c
}

// Add adds n to the figure of a value. One of no value on the list is not counted.
func (c Counters) Add(value string, n int64) {
	if counter := c.of[value]; counter != nil {
		counter.Add(float64(n))
	}
}

// ServerOptions makes a gRPC server count its calls, by method and code. They come before the server's other options, so that a call that
// panicked is counted with the code that its caller gets. To a stream they add two look-ups and an atomic add for each message, of which a
// FanOut makes one of all outcomes of 5 ms or 32 KiB; a stats handler would be told of every header and payload besides. Calls of methods
// that the server does not have, or that its gate refuses, are not counted: their names are their callers'.
func (e *Endpoint) ServerOptions() []grpc.ServerOption {
	if e == nil {
		return nil
	}
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(e.calls.UnaryServerInterceptor()),
		grpc.ChainStreamInterceptor(e.calls.StreamServerInterceptor()),
	}
}
