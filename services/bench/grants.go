package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// grantCase is a closed loop over so many workers, with a store.
type grantCase struct {
	workers int
	store   string
}

var grantCases = []grantCase{{1, inMemory}, {1, onDisk}, {2, inMemory}, {2, onDisk}}

// granted is how one run of it went.
type granted struct {
	perSecond float64
	wait      time.Duration // for grants, of the worker whose senders waited longest
	elapsed   time.Duration
	cpu       float64 // share of its core that the busiest worker says it used
	limited   string
}

// measureGrants runs closed loops as fast as the machine can, and looks whether senders waited for grants; and runs one over a fast and
// a slow worker.
func measureGrants(ctx context.Context, l *lab) error {
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	all := make([][]granted, len(grantCases))
	err = l.eachRound(ctx, 3, func(ctx context.Context) error {
		for i, c := range grantCases {
			g, err := l.grant(ctx, target, c)
			if err != nil {
				return fmt.Errorf("%d workers, store %s: %w", c.workers, c.store, err)
			}
			all[i] = append(all[i], g)
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.tableOfGrants(all)
	return l.measureHoard(ctx)
}

func (l *lab) tableOfGrants(all [][]granted) {
	t := l.table("workers", "store", "limited by", "requests/s", "waited for grants, ms", "of the run, %", "busiest worker's CPU")
	t.words = 3
	for i, c := range grantCases {
		runs := all[i]
		most := runs[0] // what matters is the worst
		for _, g := range runs[1:] {
			if g.wait > most.wait {
				most = g
			}
		}
		t.row(fmt.Sprint(c.workers), c.store, most.limited, count(int64(median(pick(runs, func(g granted) float64 { return g.perSecond })))),
			millis(most.wait), fmt.Sprintf("%.3f", 100*float64(most.wait)/float64(most.elapsed)),
			fmt.Sprintf("%.0f %%", 100*median(pick(runs, func(g granted) float64 { return g.cpu }))))
	}
	l.say("Closed loops of %d senders for %d s; the workers, a process each, and the coordinator share CPU %d, nginx has the other. The wait is "+
		"grantWaitDuration of the report, from the second second of a run on, of the worker and the round where it is longest; requests and CPU are "+
		"medians of %s.", connections, l.length(5), generatorCPU, rounds(len(all[0])))
}

// grant is one run.
func (l *lab) grant(ctx context.Context, target *nginx, c grantCase) (granted, error) {
	var addresses []string
	for range c.workers {
		w, err := l.startWorker(ctx, generatorCPU)
		if err != nil {
			return granted{}, err
		}
		defer w.abandon()
		addresses = append(addresses, w.address)
	}
	path := c.store
	if path == onDisk {
		path = l.newStore()
	}
	coordinator, err := l.startCoordinatorWith(ctx, generatorCPU, strings.Join(addresses, ","), path)
	if err != nil {
		return granted{}, err
	}
	defer coordinator.abandon()
	length := l.length(5)
	var r *report
	served, err := target.servedBetween(ctx, func() (err error) {
		run := l.runCommand(coordinator, target.url, "-c", conns, "-z", goSeconds(length)).on(generatorCPU)
		r, _, err = l.runFanout(ctx, run, time.Duration(length)*time.Second)
		return err
	})
	if err != nil {
		return granted{}, err
	}
	return grantedOf(r, time.Duration(length)*time.Second), sameCount(r, served)
}

// grantedOf is what a report says of grants in a run of that length.
func grantedOf(r *report, length time.Duration) granted {
	g := granted{perSecond: float64(r.Counts.Responses) / length.Seconds(), elapsed: length, limited: r.LimitedBy}
	if r.LimitedReason != "" {
		g.limited += ": " + r.LimitedReason
	}
	for _, w := range r.Workers {
		g.wait = max(g.wait, seconds(w.Effort.GrantWaitDuration))
		g.cpu = max(g.cpu, w.Effort.CPUShare)
	}
	return g
}
