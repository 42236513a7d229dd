package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	// ingestSlots is the outcomes of a round: enough that what a run costs beside them does not count.
	ingestSlots = 2_000_000
	// ingestBound is how long the coordinator has for them on a busy machine.
	ingestBound = 2 * time.Minute
)

// measureIngest feeds a coordinator, alone on the generator's CPU, from a worker that only streams what it has recorded. wrk runs
// in each round, so that the CPU time per outcome can be held against its per request.
func measureIngest(ctx context.Context, l *lab) error {
	wrk, err := l.wrk()
	if err != nil {
		return err
	}
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	worker, err := l.serve(ctx, pinned(targetCPU, l.self, "serve-recorded", "-slots", strconv.Itoa(ingestSlots)))
	if err != nil {
		return err
	}
	defer worker.abandon()
	coordinator, err := l.startCoordinator(ctx, generatorCPU, worker.address)
	if err != nil {
		return err
	}
	defer coordinator.abandon()
	var outcomes, requests []time.Duration
	err = l.eachRound(ctx, anyRounds, func(ctx context.Context) error {
		base, err := wrk(ctx, target)
		if err != nil {
			return fmt.Errorf("wrk: %w", err)
		}
		took, err := l.ingest(ctx, coordinator)
		if err != nil {
			return err
		}
		requests, outcomes = append(requests, base.cpu), append(outcomes, took)
		return nil
	})
	if err != nil {
		return err
	}
	_, memory, err := coordinator.resident()
	if err != nil {
		return err
	}
	relative, outcome := spreadOf(ratios(outcomes, requests)), median(outcomes)
	t := l.table("coordinator", "CPU per outcome, µs", "wrk's per request, µs", "ratio", "least – greatest", "outcomes/s of a core", "RSS, MiB")
	t.row(fmt.Sprintf("%s outcomes in batches of %d", count(ingestSlots), recordedBatch), ratio(float64(outcome)/1e3), micros(median(requests)),
		ratio(relative.median), between(relative, ratio), count(int64(time.Second/outcome)), mebibytes(memory))
	l.say("Ratios are within a round; the figures are medians of %s. The coordinator's CPU is its process's from before the run is "+
		"created until its report is there.", rounds(len(outcomes)))
	return nil
}

// ingest is the CPU time of the coordinator per outcome of one run.
func (l *lab) ingest(ctx context.Context, coordinator *process) (time.Duration, error) {
	before, err := coordinator.cpu()
	if err != nil {
		return 0, err
	}
	// Nothing is sent to the URL. Without a shape all slots are granted at the start, as the recording needs them.
	c := l.runCommand(coordinator, "http://127.0.0.1/", "-n", strconv.Itoa(ingestSlots)).on(targetCPU)
	if _, _, err := l.runFanout(ctx, c, ingestBound); err != nil {
		return 0, err
	}
	after, err := coordinator.cpu()
	if err != nil {
		return 0, err
	}
	return (after - before) / ingestSlots, nil
}
