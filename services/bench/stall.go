package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/fanout-load/fanout/services/bench/arrivals"
)

// stalling is a target that answers at once, but for the last second of every ten.
var stalling = slowness{stall: time.Second, every: 10 * time.Second}

const (
	stallRate = 1000
	// stallSenders is twice what a stall keeps in flight.
	stallSenders = 2 * stallRate
)

// measureStall sends on schedule to a target that stalls, and looks whether the stall shows, and whether the schedule held.
func measureStall(ctx context.Context, l *lab) error {
	target, err := l.startSlow(ctx, targetCPU, stalling)
	if err != nil {
		return err
	}
	defer target.abandon()
	length := l.length(30)
	c := l.runCommand(nil, target.url(), "-q", strconv.Itoa(stallRate), "-c", strconv.Itoa(stallSenders), "-z", goSeconds(length)).on(generatorCPU)
	r, _, err := l.runFanout(ctx, c, time.Duration(length)*time.Second)
	if err != nil {
		return err
	}
	seen, err := target.slowLog()
	if err != nil {
		return err
	}
	kept := arrivals.Measure(pick(seen.Requests, func(r slowRequest) time.Time { return r.At }), stallRate)
	t := l.table("figure", "value")
	t.row("requests planned, and come to the target", fmt.Sprintf("%s, %s", count(r.Counts.Planned), count(int64(kept.Count))))
	t.row("response time p99, ms", millis(seconds(r.ResponseTime.P99)))
	t.row("service time p99, ms", millis(seconds(r.ServiceTime.P99)))
	t.row("lateness p99, ms", millis(seconds(r.Lateness.P99)))
	t.row("arrivals off the grid p50, ms", millis(kept.OffP50))
	t.row("arrivals off the grid p99, ms", millis(kept.OffP99))
	t.row("most senders", count(r.senders()))
	l.say("One run of %d s. Arrivals are when the target has read them, a stall or not.", length)
	return sameRequests(r, seen)
}
