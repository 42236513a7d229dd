package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	manyConnections = 10_000
	// manyHold is how long the target holds each request: the connections are in flight all the time.
	manyHold = time.Second
)

// measureMemory keeps 10,000 requests in flight from one worker, and looks at the most memory that its process had.
func measureMemory(ctx context.Context, l *lab) error {
	var workers, coordinators []int64
	t := l.table("round", "connections at once", "senders", "requests", "errors", "RSS of the worker, MiB", "KiB per connection", "RSS of the coordinator, MiB")
	return l.eachRound(ctx, 3, func(ctx context.Context) error {
		seen, r, worker, coordinator, err := l.holdMany(ctx)
		if err != nil {
			return err
		}
		workers, coordinators = append(workers, worker), append(coordinators, coordinator)
		t.row(strconv.Itoa(len(workers)), count(int64(seen.MostOpen)), count(r.senders()), count(r.Counts.Responses), count(r.Counts.Errors),
			mebibytes(worker), fmt.Sprintf("%.1f", float64(worker)/1024/manyConnections), mebibytes(coordinator))
		return nil
	})
}

// holdMany is one run with new processes, since what is measured is the most memory that they ever had.
func (l *lab) holdMany(ctx context.Context) (seen *slowLog, r *report, worker, coordinator int64, err error) {
	target, err := l.startSlow(ctx, anyCPU, slowness{least: manyHold, most: manyHold})
	if err != nil {
		return nil, nil, 0, 0, err
	}
	defer target.abandon()
	services, err := l.startPair(ctx, anyCPU, anyCPU)
	if err != nil {
		return nil, nil, 0, 0, err
	}
	defer services.stop()
	length := l.length(5)
	c := l.runCommand(services.coordinator, target.url(), "-c", strconv.Itoa(manyConnections), "-z", goSeconds(length))
	if r, _, err = l.runFanout(ctx, c, time.Duration(length)*time.Second); err != nil {
		return nil, nil, 0, 0, err
	}
	if _, worker, err = services.worker.resident(); err != nil {
		return nil, nil, 0, 0, err
	}
	if _, coordinator, err = services.coordinator.resident(); err != nil {
		return nil, nil, 0, 0, err
	}
	seen, err = target.slowLog()
	if err == nil && seen.MostOpen < manyConnections {
		err = fmt.Errorf("the target had %d connections at most", seen.MostOpen)
	}
	return seen, r, worker, coordinator, err
}

// startSlow starts a slow target as a process. The caller ends it, by asking for its log or otherwise.
func (l *lab) startSlow(ctx context.Context, cpu int, s slowness) (*process, error) {
	return l.serve(ctx, pinned(cpu, append([]string{l.self}, s.args()...)...))
}

// slowLog ends a slow target and returns its log.
func (p *process) slowLog() (*slowLog, error) {
	text, err := p.stop()
	if err != nil {
		return nil, err
	}
	return readSlowLog(text)
}

// url is where an HTTP target answers.
func (p *process) url() string { return "http://" + p.address + "/" }
