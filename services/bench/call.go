package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// callURLs is how many URLs a call has.
	callURLs = 50
	// callRepeats is how many calls are made for one figure of a round.
	callRepeats = 100
	// callBound is how long one request may take.
	callBound = 30 * time.Second
)

// callKind is what is called. An answer at once is the hardest case: there is nothing but the way.
type callKind struct {
	name   string
	secure bool
	hold   time.Duration
}

var callKinds = []callKind{
	{"HTTP, answers at once", false, 0},
	{"TLS, answers at once", true, 0},
	{"HTTP, answers after 5 ms", false, 5 * time.Millisecond},
}

// callRound is what both ways of calling took in one round.
type callRound struct {
	worker, own callCost
	opened      int // connections of the worker, in all calls that were counted
}

// measureCall lets this process be a service that needs fifty answers: through a worker process, and by itself. First with
// connections that are there, then without.
func measureCall(ctx context.Context, l *lab) error {
	t := l.table("target", "worker: ms", "client: ms", "ratio", "worker: CPU, ms", "client: CPU, ms", "ratio", "connections opened")
	for _, kind := range callKinds {
		rounds, err := l.compareCalls(ctx, kind)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		wall := func(c callCost) time.Duration { return c.wall }
		cpu := func(c callCost) time.Duration { return c.cpu }
		workers, own := pick(rounds, func(r callRound) callCost { return r.worker }), pick(rounds, func(r callRound) callCost { return r.own })
		opened := 0
		for _, r := range rounds {
			opened += r.opened
		}
		t.row(kind.name,
			millis(median(pick(workers, wall))), millis(median(pick(own, wall))), ratio(median(ratios(pick(workers, wall), pick(own, wall)))),
			millis(median(pick(workers, cpu))), millis(median(pick(own, cpu))), ratio(median(ratios(pick(workers, cpu), pick(own, cpu)))),
			count(int64(opened)))
	}
	l.say("A call has %d URLs of one host and returns bodies of %d bytes. CPU is of the caller and the worker together. A round's figure is of "+
		"%d calls, the second and later ones; ratios are within a round.", callURLs, bodySize, callRepeats)
	return l.compareFirstCalls(ctx)
}

// compareCalls makes calls both ways, with connections that were opened before.
func (l *lab) compareCalls(ctx context.Context, kind callKind) ([]callRound, error) {
	target, err := l.startBodies(ctx, kind.secure, kind.hold)
	if err != nil {
		return nil, err
	}
	defer target.abandon()
	c, err := l.newCaller(ctx, target)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if _, err := c.throughWorker(ctx); err != nil {
		return nil, err
	}
	if err := c.byItself(ctx); err != nil {
		return nil, err
	}
	var rounds []callRound
	err = l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		var (
			r   callRound
			err error
		)
		if r.worker, err = c.cost(callRepeats, func() error {
			opened, err := c.throughWorker(ctx)
			r.opened += opened
			return err
		}); err != nil {
			return fmt.Errorf("through a worker: %w", err)
		}
		if r.own, err = c.cost(callRepeats, func() error { return c.byItself(ctx) }); err != nil {
			return fmt.Errorf("by itself: %w", err)
		}
		rounds = append(rounds, r)
		return nil
	})
	return rounds, err
}

// compareFirstCalls makes two calls over TLS with a new worker and a new client: the connections of the first serve the second.
func (l *lab) compareFirstCalls(ctx context.Context) error {
	target, err := l.startBodies(ctx, true, 0)
	if err != nil {
		return err
	}
	defer target.abandon()
	var calls [2][]callRound // the first, and the second
	err = l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		c, err := l.newCaller(ctx, target)
		if err != nil {
			return err
		}
		defer c.close()
		for i := range calls {
			var r callRound
			if r.worker, err = c.cost(1, func() error {
				r.opened, err = c.throughWorker(ctx)
				return err
			}); err != nil {
				return fmt.Errorf("through a worker: %w", err)
			}
			if r.own, err = c.cost(1, func() error { return c.byItself(ctx) }); err != nil {
				return fmt.Errorf("by itself: %w", err)
			}
			calls[i] = append(calls[i], r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t := l.table("over TLS", "worker: ms", "CPU, ms", "connections opened", "client: ms", "CPU, ms")
	for i, name := range []string{"first call", "second call"} {
		r := calls[i]
		t.row(name,
			millis(median(pick(r, func(r callRound) time.Duration { return r.worker.wall }))),
			millis(median(pick(r, func(r callRound) time.Duration { return r.worker.cpu }))),
			count(int64(median(pick(r, func(r callRound) int64 { return int64(r.opened) })))),
			millis(median(pick(r, func(r callRound) time.Duration { return r.own.wall }))),
			millis(median(pick(r, func(r callRound) time.Duration { return r.own.cpu }))))
	}
	return nil
}
