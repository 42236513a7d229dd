package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
	"github.com/fanout-load/fanout/services/internal/grpcdial"
)

const (
	// The targets of the fast and of the slow worker hold each request so long.
	fastHold, slowHold = time.Millisecond, 50 * fastHold
	// hoardLook is the time between two looks at the run.
	hoardLook = 20 * time.Millisecond
	// hoardBound is how long a run may take.
	hoardBound = 2 * time.Minute
)

// hoardRequests is the requests of the runs: one that is over before anybody knows how fast the workers are, and longer ones.
var hoardRequests = []int64{10_000, 100_000, 300_000}

// hands is where the slots of a fast and a slow worker are at one moment of a run.
type hands struct {
	at         time.Duration
	fast, slow hand
}

// hand is where a worker's slots are.
type hand struct{ pending, inFlight, settled int64 }

// hoard is what became of a run of both.
type hoard struct {
	fast, slow int64         // slots that they carried out
	fastTook   time.Duration // until the fast one had nothing more to do
	pending    int64         // slots that the slow one had not begun then
	wentOn     time.Duration // how long the run went on
}

// measureHoard has two workers carry out one closed loop, of which one has a slow target.
func (l *lab) measureHoard(ctx context.Context) error {
	fast, err := l.startSlow(ctx, targetCPU, slowness{least: fastHold, most: fastHold})
	if err != nil {
		return err
	}
	defer fast.abandon()
	slow, err := l.startSlow(ctx, targetCPU, slowness{least: slowHold, most: slowHold})
	if err != nil {
		return err
	}
	defer slow.abandon()
	// Both are sent to the fast one; the slow worker's connections go elsewhere.
	workers, err := l.startDetoured(ctx, slow.address)
	if err != nil {
		return err
	}
	defer workers[0].abandon()
	defer workers[1].abandon()
	coordinator, err := l.startCoordinator(ctx, generatorCPU, workers[0].address+","+workers[1].address)
	if err != nil {
		return err
	}
	defer coordinator.abandon()
	t := l.table("requests", "fast worker: requests", "its time, s", "slow worker: requests", "in hand then", "in hand then, s of its own", "the run went on, s")
	for _, n := range hoardRequests {
		h, err := l.hoardOf(ctx, coordinator, fast.url(), workers[0].address, n)
		if err != nil {
			return fmt.Errorf("%s requests over a fast and a slow worker: %w", count(n), err)
		}
		t.row(count(n), count(h.fast), inSeconds(h.fastTook), count(h.slow), count(h.pending), fmt.Sprintf("%.2f", h.ownSeconds()), inSeconds(h.wentOn))
	}
	l.say("One closed loop of %d senders over two workers, whose targets hold each request %v and %v. \"Then\" is when the fast one had nothing more "+
		"to do; the run is looked at every %v.", connections, fastHold, slowHold, hoardLook)
	return nil
}

// startDetoured starts two workers, of which the second one's connections all go to an address.
func (l *lab) startDetoured(ctx context.Context, address string) ([2]*process, error) {
	straight, err := l.serve(ctx, pinned(generatorCPU, l.self, "serve-workers").with(oneCore))
	if err != nil {
		return [2]*process{}, err
	}
	other, err := l.serve(ctx, pinned(generatorCPU, l.self, "serve-workers", "-detour", address).with(oneCore))
	if err != nil {
		straight.abandon()
		return [2]*process{}, err
	}
	return [2]*process{straight, other}, nil
}

// hoardOf carries out a run of n requests and watches where its slots are.
func (l *lab) hoardOf(ctx context.Context, coordinator *process, url, fast string, n int64) (hoard, error) {
	ctx, cancel := context.WithTimeout(ctx, hoardBound)
	defer cancel()
	conn, err := grpcdial.New(coordinator.address)
	if err != nil {
		return hoard{}, err
	}
	defer conn.Close()
	client := fanoutv1.NewCoordinatorServiceClient(conn)
	created, err := client.CreateRun(ctx, &fanoutv1.CreateRunRequest{Plan: &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: url, Method: http.MethodGet}},
		Load: &fanoutv1.Load{
			Requests: n, Shape: &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: connections}},
		},
	}})
	if err != nil {
		return hoard{}, err
	}
	var all []hands
	for {
		got, err := client.GetRun(ctx, &fanoutv1.GetRunRequest{RunId: created.GetRun().GetId()})
		if err != nil {
			return hoard{}, err
		}
		if started := got.GetRun().GetStartTime(); started != nil {
			all = append(all, handsOf(got.GetRun(), fast, time.Since(started.AsTime())))
		}
		if got.GetRun().GetState() == fanoutv1.State_STATE_ENDED {
			return hoardFrom(all, got.GetRun())
		}
		if err := pauseFor(ctx, hoardLook); err != nil {
			return hoard{}, err
		}
	}
}

// handsOf is where the slots of a run are now.
func handsOf(r *fanoutv1.Run, fast string, at time.Duration) hands {
	h := hands{at: at}
	for _, w := range r.GetWorkers() {
		c := w.GetTally().GetCounts()
		its := hand{c.GetPending(), c.GetInFlight(), c.GetResponses() + c.GetErrors() + c.GetNotSent()}
		if w.GetAddress() == fast {
			h.fast = its
		} else {
			h.slow = its
		}
	}
	return h
}

// hoardFrom is what became of a run that has ended, from the looks at it.
func hoardFrom(all []hands, r *fanoutv1.Run) (hoard, error) {
	if c := r.GetTally().GetCounts(); r.GetVerdict() != fanoutv1.Verdict_VERDICT_PASSED || c.GetResponses() != c.GetPlanned() || len(all) == 0 {
		return hoard{}, errors.New("the run ended " + r.GetVerdict().String() + ": " + r.GetVerdictReason())
	}
	last := all[len(all)-1]
	for _, h := range all {
		if h.fast.settled == last.fast.settled {
			return hoard{
				fast: last.fast.settled, slow: last.slow.settled, fastTook: h.at, pending: h.slow.pending, wentOn: last.at - h.at,
			}, nil
		}
	}
	return hoard{}, errors.New("the run was not looked at")
}

// ownSeconds is how long the slow worker takes for what it had in hand, as fast as it was until then.
func (h hoard) ownSeconds() float64 {
	before := h.slow - h.pending
	if before <= 0 {
		return 0
	}
	return float64(h.pending) / (float64(before) / h.fastTook.Seconds())
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }
