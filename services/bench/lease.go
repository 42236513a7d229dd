package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// leaseOrder is the runs of one round: a drift of the machine's speed that is even within a round falls out.
var leaseOrder = []bool{false, true, true, false}

// leaseRound is what a round's runs took together, without a lease and with one.
type leaseRound struct{ off, on shardCost }

// shardCost is what a worker took for shards.
type shardCost struct {
	cpu      time.Duration
	requests int64
	streamed int64 // outcomes that came one by one
	length   time.Duration
}

// each is the CPU time per request.
func (c shardCost) each() float64 { return float64(c.cpu) / float64(c.requests) }

func (c *shardCost) add(o shardCost) {
	c.cpu += o.cpu
	c.requests += o.requests
	c.streamed += o.streamed
	c.length += o.length
}

// measureLease has one worker carry out shards without a lease and with one, by turns, for a client that takes both streams in the same
// way.
func measureLease(ctx context.Context, l *lab) error {
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	worker, err := l.startWorker(ctx, generatorCPU)
	if err != nil {
		return err
	}
	defer worker.abandon()
	var all []leaseRound
	err = l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		var r leaseRound
		for _, leased := range leaseOrder {
			cost, err := l.shardCost(ctx, target, worker, leased)
			if err != nil {
				return err
			}
			if leased {
				r.on.add(cost)
			} else {
				r.off.add(cost)
			}
		}
		all = append(all, r)
		return nil
	})
	if err != nil {
		return err
	}
	l.tableOfLeases(all)
	return nil
}

func (l *lab) tableOfLeases(all []leaseRound) {
	off, on := func(r leaseRound) shardCost { return r.off }, func(r leaseRound) shardCost { return r.on }
	relative := pick(all, func(r leaseRound) float64 { return r.on.each() / r.off.each() })
	t := l.table("the worker's shard", "CPU per request, µs", "÷ without", "middle half", "least – greatest", "requests/s", "streamed")
	for _, kind := range []struct {
		name     string
		of       func(leaseRound) shardCost
		relative []float64
	}{{"without a lease", off, pick(all, func(leaseRound) float64 { return 1 })}, {"with a lease, and a crash mark", on, relative}} {
		costs := pick(all, kind.of)
		s := spreadOf(kind.relative)
		low, high := middleHalf(kind.relative)
		t.row(kind.name, micros(time.Duration(median(pick(costs, shardCost.each)))), fineRatio(s.median),
			between(spread{least: low, most: high}, fineRatio), between(s, fineRatio),
			count(int64(median(pick(costs, func(c shardCost) float64 { return float64(c.requests) / c.length.Seconds() })))),
			fmt.Sprintf("%.1f %%", 100*median(pick(costs, func(c shardCost) float64 { return float64(c.streamed) / float64(c.requests) }))))
	}
	low, high, sure := medianWithin(relative)
	l.say("A round is a run without a lease, two with one, one without, of %d s each, by the same worker process, for a client on its CPU. "+
		"Ratios are within a round; medians of %s. The median of the ratio is within %s – %s with %.0f %% confidence, by the ranks of the rounds.",
		l.length(1), rounds(len(all)), fineRatio(low), fineRatio(high), 100*sure)
}

// shardCost is what one shard took.
func (l *lab) shardCost(ctx context.Context, target *nginx, worker *process, leased bool) (shardCost, error) {
	before, err := worker.cpu()
	if err != nil {
		return shardCost{}, err
	}
	length := time.Duration(l.length(1)) * time.Second
	argv := []string{l.self, takeShardName, "-worker", worker.address, "-url", target.url, "-length", length.String()}
	if leased {
		argv = append(argv, "-leased")
	}
	var end ended
	served, err := target.servedBetween(ctx, func() (err error) {
		end, err = l.execute(ctx, pinned(generatorCPU, argv...).with(oneCore), length+runSlack)
		return err
	})
	if err != nil {
		return shardCost{}, err
	}
	after, err := worker.cpu()
	if err != nil {
		return shardCost{}, err
	}
	t, err := parseTaken(end.stdout, served)
	return shardCost{cpu: after - before, requests: served, streamed: t.Rows, length: length}, err
}

// parseTaken reads what a shard came to, and refuses one whose slots are not all responses, or not those that the target has served.
func parseTaken(text []byte, served int64) (taken, error) {
	var t taken
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("reading what the shard came to: %w", err)
	}
	if t.Responses != t.Settled || t.Responses != served {
		return t, fmt.Errorf("of %d slots %d are responses, and nginx has served %d requests", t.Settled, t.Responses, served)
	}
	return t, nil
}
