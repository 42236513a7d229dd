package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// runSlack is how much longer than its load a run of fanout, or of a peer, may take before it is killed.
const runSlack = 60 * time.Second

// pair is a worker and a coordinator that has it, each a process.
type pair struct{ worker, coordinator *process }

// oneCore keeps a Go program that has one CPU from making more threads than it can use.
const oneCore = "GOMAXPROCS=1"

// startPair starts a worker and a coordinator on these CPUs. The caller stops it.
func (l *lab) startPair(ctx context.Context, workerCPU, coordinatorCPU int) (*pair, error) {
	w, err := l.startWorker(ctx, workerCPU)
	if err != nil {
		return nil, err
	}
	c, err := l.startCoordinator(ctx, coordinatorCPU, w.address)
	if err != nil {
		w.abandon()
		return nil, err
	}
	return &pair{w, c}, nil
}

func (p *pair) stop() {
	_, _ = p.coordinator.stop() // how it ended is no figure
	_, _ = p.worker.stop()
}

// startWorker starts a worker, whose state directory is in memory, as that of a user is.
func (l *lab) startWorker(ctx context.Context, cpu int) (*process, error) {
	l.states++
	return l.serve(ctx, l.service(cpu, "worker", "--state-dir", filepath.Join(l.ram, fmt.Sprintf("worker-%d", l.states))))
}

// inMemory is the store of coordinators whose store is not what is measured.
const inMemory = "memory"

// startCoordinator starts a coordinator over the workers, which are addresses with commas between, with a store in memory.
func (l *lab) startCoordinator(ctx context.Context, cpu int, workers string) (*process, error) {
	return l.startCoordinatorWith(ctx, cpu, workers, inMemory)
}

func (l *lab) startCoordinatorWith(ctx context.Context, cpu int, workers, store string) (*process, error) {
	return l.serve(ctx, l.service(cpu, "coordinator", "--workers", workers, "--store", store))
}

// newStore is a file for a new coordinator's store, on disk.
func (l *lab) newStore() string {
	l.stores++
	return filepath.Join(l.dir, fmt.Sprintf("store-%d", l.stores), "coordinator.db")
}

// service is the command of a service of fanout.
func (l *lab) service(cpu int, args ...string) command {
	c := pinned(cpu, append(append([]string{l.fanout}, args...), "--listen", "127.0.0.1:0", "--until-stdin-closes")...)
	if cpu != anyCPU {
		return c.with(oneCore)
	}
	return c
}

// report is a run's report, as far as the parts read it.
type report struct {
	Counts struct {
		Planned, Responses, Errors, NotSent, Unknown int64
	}
	RecordsCount, FoldedCount           int64
	ServiceTime, ResponseTime, Lateness latency
	LimitedBy, LimitedReason            string
	Workers                             []struct {
		Tally  struct{ Counts struct{ Responses int64 } }
		Effort struct {
			SenderCount                 int64
			CPUShare, GrantWaitDuration float64
		}
	}
}

// latency is a histogram's figures, in seconds.
type latency struct{ P50, P99, Max float64 }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// runFanout runs a load to its end and returns its report, of which every slot has to be a response.
func (l *lab) runFanout(ctx context.Context, c command, load time.Duration) (*report, ended, error) {
	end, err := l.execute(ctx, c, load+runSlack)
	if err != nil {
		return nil, end, err
	}
	r, err := parseReport(end.stdout)
	return r, end, err
}

// parseReport reads a report and refuses one with slots that are no responses: figures of failures are not comparable.
func parseReport(text []byte) (*report, error) {
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("reading the report: %w", err)
	}
	if c := r.Counts; c.Responses == 0 || c.Responses != c.Planned {
		return nil, fmt.Errorf("of %d slots %d are responses, %d errors, %d not sent, %d unknown",
			c.Planned, c.Responses, c.Errors, c.NotSent, c.Unknown)
	}
	return r, nil
}

// streamed is the share of the outcomes that were streamed one by one.
func (r *report) streamed() float64 { return float64(r.RecordsCount) / float64(r.Counts.Responses) }

// runCommand is a run of fanout with these flags: through a coordinator, or with nil embedded.
func (l *lab) runCommand(coordinator *process, url string, flags ...string) command {
	argv := append([]string{l.fanout, "run", "-o", "json"}, flags...)
	if coordinator != nil {
		argv = append(argv, "--coordinator", coordinator.address)
	}
	return pinned(anyCPU, append(argv, url)...)
}

// senders is the most senders that the run's one worker had at once.
func (r *report) senders() int64 {
	if len(r.Workers) == 0 {
		return 0
	}
	return r.Workers[0].Effort.SenderCount
}
