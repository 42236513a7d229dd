package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	// scaleIdle is the rate of a run in which the workers have next to nothing to do.
	scaleIdle = 20
	// scaleUsual is the rate of whole runs at which outcomes are counted, beside the one of the command line.
	scaleUsual = 10_000
	// scaleAfter is how long a run has to get going.
	scaleAfter = 3 * time.Second
	// scaleTail is what is left of its load when the window is over.
	scaleTail = 2 * time.Second
	// scaleShare is the senders of a worker, if those are more than 64 together: without a bound a machine that falls behind opens
	// connections by the thousand to catch up, and then it is those that are measured.
	scaleShare = 4
	// onDisk is the store that is a file.
	onDisk = "SQLite"
)

// Processes that are watched, by their places.
const (
	scaleCoordinator = iota
	scaleHosts
)

// scaleLoad is a load of the part scale.
type scaleLoad struct {
	rate   int
	detail string // of --detail
}

// Details of outcomes, as --detail names them.
const (
	everyOutcome = "every"
	tallyOnly    = "tally-only"
)

// scaleCell is one run.
type scaleCell struct {
	store   string // memory, or SQLite
	workers int
	scaleLoad
	seen
	late     time.Duration // at the 99th percentile
	streamed float64
}

// scaleLoads is what each coordinator carries out over n workers, one after the other. The idle one comes first; a run has no more
// shards than slots.
func (l *lab) scaleLoads(n int) []scaleLoad {
	all := []scaleLoad{{max(scaleIdle, n), tallyOnly}}
	for _, rate := range []int{scaleUsual, l.rate} {
		all = append(all, scaleLoad{rate, tallyOnly}, scaleLoad{rate, everyOutcome})
	}
	return all
}

// measureScale runs open loops over few and many workers, and looks at what the coordinator takes while they go evenly.
func measureScale(ctx context.Context, l *lab) error {
	target, err := l.startNginx(ctx)
	if err != nil {
		return err
	}
	defer target.stop()
	var cells []scaleCell
	for _, n := range l.workers {
		some, err := l.scaleOver(ctx, target, n)
		if cells = append(cells, some...); err != nil {
			return fmt.Errorf("%s workers: %w", count(int64(n)), err)
		}
	}
	l.tablesOfScale(cells)
	return nil
}

// scaleOver measures n workers.
func (l *lab) scaleOver(ctx context.Context, target *nginx, n int) (cells []scaleCell, err error) {
	hosts, err := l.serve(ctx, pinned(targetCPU, l.self, "serve-workers", "-n", strconv.Itoa(n)).with(oneCore))
	if err != nil {
		return nil, err
	}
	defer hosts.abandon()
	err = l.eachRound(ctx, 3, func(ctx context.Context) error {
		for _, store := range []string{inMemory, onDisk} {
			some, err := l.scaleWith(ctx, target, hosts, n, store)
			if cells = append(cells, some...); err != nil {
				return fmt.Errorf("store %s: %w", store, err)
			}
		}
		return nil
	})
	return cells, err
}

// scaleWith carries out all loads with a new coordinator, whose memory is its own.
func (l *lab) scaleWith(ctx context.Context, target *nginx, hosts *process, n int, store string) (cells []scaleCell, err error) {
	path := store
	if store == onDisk {
		path = l.newStore()
	}
	coordinator, err := l.startCoordinatorWith(ctx, generatorCPU, hosts.address, path)
	if err != nil {
		return nil, err
	}
	defer coordinator.abandon()
	for _, load := range l.scaleLoads(n) {
		cell := scaleCell{store: store, workers: n, scaleLoad: load}
		if err := l.scaleRun(ctx, target, hosts, coordinator, &cell); err != nil {
			return cells, fmt.Errorf("%s/s, %s: %w", count(int64(load.rate)), load.detail, err)
		}
		cells = append(cells, cell)
	}
	return cells, nil
}

// scaleRun carries out one load.
func (l *lab) scaleRun(ctx context.Context, target *nginx, hosts, coordinator *process, cell *scaleCell) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := window{after: scaleAfter, length: time.Duration(l.length(5)) * time.Second}
	length := w.after + w.length + scaleTail
	c := l.runCommand(coordinator, target.url, "-q", strconv.Itoa(cell.rate), "-z", length.String(),
		"-c", strconv.Itoa(max(connections, scaleShare*cell.workers)), "--detail", cell.detail).on(targetCPU).with(oneCore)
	var r *report
	served, err := target.servedBetween(ctx, func() (err error) {
		watched := w.watch(ctx, target, coordinator, hosts)
		if r, _, err = l.runFanout(ctx, c, length); err != nil {
			return err
		}
		cell.seen = <-watched
		return cell.err
	})
	if err != nil {
		return err
	}
	cell.late, cell.streamed = seconds(r.Lateness.P99), r.streamed()
	return sameCount(r, served)
}
