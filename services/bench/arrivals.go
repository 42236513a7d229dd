package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/bench/arrivals"
)

// pacedRates are the rates that are to be kept, in requests per second.
var pacedRates = []int{2000, 5000}

// kept is how one run of a generator kept its rate.
type kept struct {
	arrivals.Precision
	came float64       // arrivals, as a share of those that were due
	cpu  time.Duration // of the process, per arrival
}

// pacedGenerator is a program that sends a constant rate over 64 connections.
type pacedGenerator struct {
	name    string
	command func(load) (command, error)
	runs    [][]kept // by rate
	failed  bool
}

// measureArrivals lets each generator keep a rate, one after the other, round after round, and looks at the target how far off
// the ideal grid the requests came.
func measureArrivals(ctx context.Context, l *lab) error {
	generators := l.pacedGenerators()
	err := l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		for i, rate := range pacedRates {
			for _, g := range generators {
				if g.failed {
					continue
				}
				got, err := l.keep(ctx, g, load{rate: rate, seconds: l.length(2)})
				if err != nil && g != generators[0] && ctx.Err() == nil {
					l.skip(g.name, err.Error())
					g.failed = true
					continue
				}
				if err != nil {
					return fmt.Errorf("%s: %w", g.name, err)
				}
				g.runs[i] = append(g.runs[i], got)
			}
		}
		return nil
	})
	l.tableOfArrivals(generators)
	return err
}

func (l *lab) tableOfArrivals(generators []*pacedGenerator) {
	t := l.table("generator", "rate", "came", "off the grid p50, ms", "p99, ms", "most, ms", "dispersion", "p99 ÷ vegeta's", "CPU per request, µs")
	p99 := func(k kept) time.Duration { return k.OffP99 }
	for i, rate := range pacedRates {
		var vegeta []time.Duration
		for _, g := range generators {
			if g.name == "vegeta" {
				vegeta = pick(g.runs[i], p99)
			}
		}
		for _, g := range generators {
			runs := g.runs[i]
			if g.failed || len(runs) == 0 {
				continue
			}
			relative := ""
			if len(vegeta) > 0 {
				relative = ratio(median(ratios(pick(runs, p99), vegeta)))
			}
			t.row(g.name, count(int64(rate))+"/s",
				fmt.Sprintf("%.1f %%", 100*median(pick(runs, func(k kept) float64 { return k.came }))),
				millis(median(pick(runs, func(k kept) time.Duration { return k.OffP50 }))), millis(median(pick(runs, p99))),
				millis(median(pick(runs, func(k kept) time.Duration { return k.OffMax }))),
				fmt.Sprintf("%.2f", median(pick(runs, func(k kept) float64 { return k.Dispersion }))),
				relative, micros(median(pick(runs, func(k kept) time.Duration { return k.cpu }))))
		}
	}
	l.say("%d connections; medians of %s. The target is in this process, and takes the kernel's time of each arrival. Dispersion is the "+
		"variance of the counts in windows of 1 ms over their mean: 0 is perfect, 1 is Poisson.", connections, rounds(len(generators[0].runs[0])))
}

// pacedGenerators is fanout and those peers that can keep a rate.
func (l *lab) pacedGenerators() []*pacedGenerator {
	all := []*pacedGenerator{{name: "fanout run", runs: make([][]kept, len(pacedRates)), command: func(work load) (command, error) {
		return l.runCommand(nil, work.url, "-q", strconv.Itoa(work.rate), "-c", conns, "-z", goSeconds(work.seconds)), nil
	}}}
	for _, p := range l.others {
		switch {
		case p.paced == nil:
			l.skip(p.name, "keeps no rate over all connections")
		case p.skipped != "":
			l.skip(p.name, p.skipped)
		default:
			all = append(all, &pacedGenerator{
				name: p.name, runs: make([][]kept, len(pacedRates)),
				command: func(work load) (command, error) { return l.peerCommand(p, work) },
			})
		}
	}
	return all
}

// keep is one run of a generator against a target of its own.
func (l *lab) keep(ctx context.Context, g *pacedGenerator, work load) (kept, error) {
	target, err := arrivals.StartTarget()
	if err != nil {
		return kept{}, err
	}
	work.url = target.URL()
	c, err := g.command(work)
	if err != nil {
		target.Close()
		return kept{}, err
	}
	end, err := l.execute(ctx, c, time.Duration(work.seconds)*time.Second+runSlack)
	at := target.Close()
	if err != nil {
		return kept{}, err
	}
	if len(at) == 0 {
		return kept{}, fmt.Errorf("nothing came to the target")
	}
	return kept{
		Precision: arrivals.Measure(at, float64(work.rate)),
		came:      float64(len(at)) / float64(work.rate*work.seconds),
		cpu:       end.cpu / time.Duration(len(at)),
	}, nil
}
