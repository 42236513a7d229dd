package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// effort is what one run of a generator took.
type effort struct {
	cpu      time.Duration // per request
	rate     float64       // requests per second
	memory   int64         // the greatest resident set
	streamed float64       // of fanout: the share of outcomes that were streamed one by one
}

// generator is a program that is measured on the generator's CPU against nginx.
type generator struct {
	name     string
	optional bool // a peer: if it fails, it is left out by name
	run      func(context.Context, *nginx) (effort, error)
}

// measureCPU lets each generator send as fast as it can with 64 connections, one after the other, round after round. Requests are
// counted by nginx, CPU time by the system.
func measureCPU(ctx context.Context, l *lab) error {
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	services, err := l.startPair(ctx, generatorCPU, generatorCPU)
	if err != nil {
		return err
	}
	defer services.stop()
	generators, err := l.generators(services)
	if err != nil {
		return err
	}
	efforts := make(map[string][]effort)
	err = l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		for i := range generators {
			g := &generators[i]
			if g.run == nil {
				continue
			}
			got, err := g.run(ctx, target)
			switch {
			case err != nil && g.optional && ctx.Err() == nil:
				l.skip(g.name, err.Error())
				g.run = nil
			case err != nil:
				return fmt.Errorf("%s: %w", g.name, err)
			default:
				efforts[g.name] = append(efforts[g.name], got)
			}
		}
		return nil
	})
	l.tableOfEfforts(generators, efforts)
	return err
}

func (l *lab) tableOfEfforts(generators []generator, efforts map[string][]effort) {
	t := l.table("generator", "CPU per request, µs", "÷ wrk's", "least – greatest", "requests/s", "RSS, MiB", "streamed")
	cpu := func(name string) []time.Duration {
		return pick(efforts[name], func(e effort) time.Duration { return e.cpu })
	}
	for _, g := range generators {
		all := efforts[g.name]
		if g.run == nil || len(all) == 0 {
			continue
		}
		relative := spreadOf(ratios(cpu(g.name), cpu("wrk")))
		streamed := ""
		if share := median(pick(all, func(e effort) float64 { return e.streamed })); share > 0 {
			streamed = fmt.Sprintf("%.0f %%", 100*share)
		}
		t.row(g.name, micros(median(cpu(g.name))), ratio(relative.median), between(relative, ratio),
			count(int64(median(pick(all, func(e effort) float64 { return e.rate })))),
			mebibytes(median(pick(all, func(e effort) int64 { return e.memory }))), streamed)
	}
	l.say("Ratios are within a round; the figures are medians of %s. The worker's CPU is its process's while the run goes on; "+
		"everybody else's is that of the whole process.", rounds(len(efforts["wrk"])))
}

// generators is those that are measured, wrk first: it is the base.
func (l *lab) generators(services *pair) ([]generator, error) {
	base, err := l.wrk()
	if err != nil {
		return nil, err
	}
	all := []generator{
		{"wrk", false, base},
		{"fanout worker", false, func(ctx context.Context, n *nginx) (effort, error) { return l.workerEffort(ctx, n, services) }},
		{"fanout run", false, l.embeddedEffort},
	}
	for _, p := range l.others {
		switch {
		case p.name == "wrk":
		case p.skipped != "":
			l.skip(p.name, p.skipped)
		default:
			all = append(all, generator{p.name, true, l.peerEffort(p)})
		}
	}
	return all, nil
}

// wrk is the generator that all others are held against.
func (l *lab) wrk() (func(context.Context, *nginx) (effort, error), error) {
	for _, p := range l.others {
		if p.name == "wrk" && p.skipped == "" {
			return l.peerEffort(p), nil
		}
	}
	return nil, errors.New("wrk is not installed, and all is held against it: apt-get install wrk")
}

func (l *lab) peerEffort(p peer) func(context.Context, *nginx) (effort, error) {
	return func(ctx context.Context, target *nginx) (effort, error) {
		c, err := l.peerCommand(p, load{url: target.url, seconds: l.length(1)})
		if err != nil {
			return effort{}, err
		}
		if p.module != "" {
			c = c.with(oneCore)
		}
		return l.wholeProcess(ctx, target, c.on(generatorCPU), nil)
	}
}

// embeddedEffort is that of `fanout run` with everything in its process.
func (l *lab) embeddedEffort(ctx context.Context, target *nginx) (effort, error) {
	c := l.runCommand(nil, target.url, "-c", conns, "-z", goSeconds(l.length(1)))
	return l.wholeProcess(ctx, target, c.on(generatorCPU).with(oneCore), parseReport)
}

// wholeProcess runs a generator and counts all of its process's CPU time, its start too.
func (l *lab) wholeProcess(ctx context.Context, target *nginx, c command, parse func([]byte) (*report, error)) (effort, error) {
	var end ended
	served, err := target.servedBetween(ctx, func() (err error) {
		end, err = l.execute(ctx, c, time.Duration(l.length(1))*time.Second+runSlack)
		return err
	})
	if err != nil {
		return effort{}, err
	}
	e := effort{cpu: end.cpu / time.Duration(served), rate: float64(served) / float64(l.length(1)), memory: end.peak}
	if parse == nil {
		return e, nil
	}
	r, err := parse(end.stdout)
	if err != nil {
		return e, err
	}
	e.streamed = r.streamed()
	return e, sameCount(r, served)
}

// workerEffort is that of a worker process. Its coordinator, and the command that watches, are on its CPU: beside nginx they would
// slow the target down, and a generator that waits for its target asks the system for nearly each response, and not once for fifty.
func (l *lab) workerEffort(ctx context.Context, target *nginx, services *pair) (effort, error) {
	before, err := services.worker.cpu()
	if err != nil {
		return effort{}, err
	}
	length := l.length(1)
	var r *report
	served, err := target.servedBetween(ctx, func() (err error) {
		c := l.runCommand(services.coordinator, target.url, "-c", conns, "-z", goSeconds(length)).on(generatorCPU)
		r, _, err = l.runFanout(ctx, c, time.Duration(length)*time.Second)
		return err
	})
	if err != nil {
		return effort{}, err
	}
	after, err := services.worker.cpu()
	if err != nil {
		return effort{}, err
	}
	_, memory, err := services.worker.resident()
	if err != nil {
		return effort{}, err
	}
	e := effort{
		cpu: (after - before) / time.Duration(served), rate: float64(served) / float64(length), memory: memory, streamed: r.streamed(),
	}
	return e, sameCount(r, served)
}

// sameCount fails unless the report has as many responses as the target has served.
func sameCount(r *report, served int64) error {
	if r.Counts.Responses != served {
		return fmt.Errorf("the report has %d responses, and nginx has served %d requests", r.Counts.Responses, served)
	}
	return nil
}

// goSeconds is a length as the flags of fanout take it.
func goSeconds(n int) string { return fmt.Sprintf("%ds", n) }
