package main

import (
	"net"

	"github.com/spf13/pflag"

	"github.com/fanout-load/fanout/services/internal/grpcserve"
	"github.com/fanout-load/fanout/services/internal/metrics"
)

// plainPorts are the flags of the ports beside a service's own, which answer anyone in plaintext and take nothing.
type plainPorts struct {
	health, metrics string // HOST:PORT

	probes, scrapes net.Listener // of open; nil: none
}

func (p *plainPorts) add(flags *pflag.FlagSet) {
	flags.StringVar(&p.health, "health-listen", "", "`HOST:PORT` that answers probes of the service's health in plaintext, and nothing else")
	flags.StringVar(&p.metrics, "metrics-listen", "", "`HOST:PORT` that answers GET /metrics for Prometheus in plaintext, and nothing else")
}

// open opens the ports that are asked for. Its caller closes them, also after an error.
func (p *plainPorts) open(flags *pflag.FlagSet) (err error) {
	if flags.Changed("health-listen") {
		if p.probes, err = grpcserve.ListenHealth(p.health); err != nil {
			return err
		}
	}
	if flags.Changed("metrics-listen") {
		p.scrapes, err = grpcserve.ListenMetrics(p.metrics)
	}
	return err
}

// endpoint is what the service shows its figures at; nil: nowhere.
func (p *plainPorts) endpoint() *metrics.Endpoint { return metrics.New(p.scrapes, version) }

// close closes what is open, again if it was served.
func (p *plainPorts) close() {
	for _, l := range []net.Listener{p.probes, p.scrapes} {
		if l != nil {
			_ = l.Close()
		}
	}
}
