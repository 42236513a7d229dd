package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/bench/arrivals"
)

// known is the slowness whose distribution the report has to find again.
var known = slowness{least: 2 * time.Millisecond, most: 20 * time.Millisecond, seed: 42}

// knownLoops are the loads by which it is looked for.
var knownLoops = []struct {
	name  string
	flags []string
}{
	{"closed loop, 64 senders", []string{"-c", conns}},
	{"open loop, 1,000/s", []string{"-q", "1000", "-c", "256"}},
}

// measureAccuracy holds the service times of the report against what the target says that it took.
func measureAccuracy(ctx context.Context, l *lab) error {
	type pair struct{ logged, reported time.Duration }
	p50, p99 := make([][]pair, len(knownLoops)), make([][]pair, len(knownLoops))
	requests := make([]int, len(knownLoops))
	err := l.eachRound(ctx, 3, func(ctx context.Context) error {
		for i, loop := range knownLoops {
			took, r, err := l.findKnown(ctx, loop.flags)
			if err != nil {
				return fmt.Errorf("%s: %w", loop.name, err)
			}
			requests[i] += len(took)
			p50[i] = append(p50[i], pair{arrivals.Quantile(took, 0.5), seconds(r.ServiceTime.P50)})
			p99[i] = append(p99[i], pair{arrivals.Quantile(took, 0.99), seconds(r.ServiceTime.P99)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	t := l.table("load", "requests", "quantile", "the target's, ms", "the report's, ms", "difference, µs", "%", "within")
	for i, loop := range knownLoops {
		for _, q := range []struct {
			name  string
			pairs []pair
		}{{"p50", p50[i]}, {"p99", p99[i]}} {
			off := median(pick(q.pairs, func(p pair) time.Duration { return p.reported - p.logged }))
			logged := median(pick(q.pairs, func(p pair) time.Duration { return p.logged }))
			t.row(loop.name, count(int64(requests[i])), q.name, millis(logged),
				millis(median(pick(q.pairs, func(p pair) time.Duration { return p.reported }))),
				fmt.Sprintf("%+.0f", float64(off)/1e3), fmt.Sprintf("%+.2f", 100*float64(off)/float64(logged)), within(off, logged))
		}
	}
	l.say("The target holds each request between %v and %v, at random, and logs how long it had it, from read to written. What the report "+
		"has more is the way there and back, and the time until each end's goroutine runs; the sets are the same requests. Medians of %s.",
		known.least, known.most, rounds(len(p50[0])))
	return nil
}

// within says whether a difference is in the bounds of the goal: 3 % or 50 µs.
func within(off, of time.Duration) string {
	if off.Abs() <= 50*time.Microsecond || math.Abs(float64(off)) <= 0.03*float64(of) {
		return "yes"
	}
	return "no"
}

// findKnown is what a new target took for each request of a run, and the run's report.
func (l *lab) findKnown(ctx context.Context, flags []string) ([]time.Duration, *report, error) {
	target, err := l.startSlow(ctx, targetCPU, known)
	if err != nil {
		return nil, nil, err
	}
	defer target.abandon()
	length := l.length(10)
	c := l.runCommand(nil, target.url(), append(flags[:len(flags):len(flags)], "-z", strconv.Itoa(length)+"s")...).on(generatorCPU)
	r, _, err := l.runFanout(ctx, c, time.Duration(length)*time.Second)
	if err != nil {
		return nil, nil, err
	}
	seen, err := target.slowLog()
	if err != nil {
		return nil, nil, err
	}
	if err := sameRequests(r, seen); err != nil {
		return nil, nil, err
	}
	return pick(seen.Requests, func(r slowRequest) time.Duration { return r.Took }), r, nil
}

// sameRequests fails unless the report has as many responses as the target has sent.
func sameRequests(r *report, seen *slowLog) error {
	if int(r.Counts.Responses) != len(seen.Requests) {
		return fmt.Errorf("the report has %d responses, and the target has sent %d", r.Counts.Responses, len(seen.Requests))
	}
	return nil
}
