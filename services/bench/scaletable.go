package main

import (
	"fmt"
	"slices"
	"time"
)

// paperWorkers is the workers of the run whose cost is worked out from the measured ones.
const paperWorkers = 1000

// scaleGroup is the cells of several rounds that are the same but for that.
type scaleGroup []scaleCell

// groupScale puts together what only rounds tell apart, in the order in which they came.
func groupScale(cells []scaleCell) (groups []scaleGroup) {
	for _, c := range cells {
		at := slices.IndexFunc(groups, func(g scaleGroup) bool {
			return g[0].store == c.store && g[0].workers == c.workers && g[0].scaleLoad == c.scaleLoad
		})
		if at < 0 {
			groups = append(groups, scaleGroup{c})
			continue
		}
		groups[at] = append(groups[at], c)
	}
	return groups
}

// cores is the coordinator's.
func (g scaleGroup) cores() float64 {
	return median(pick(g, func(c scaleCell) float64 { return c.cores(scaleCoordinator) }))
}

// served is the requests per second.
func (g scaleGroup) served() float64 {
	return median(pick(g, func(c scaleCell) float64 { return c.perSecond() }))
}

// isIdle reports whether it is the load that is next to none.
func (g scaleGroup) isIdle() bool { return g[0].rate < scaleUsual }

// beside is the group that differs in its load only; nil: there is none.
func (g scaleGroup) beside(groups []scaleGroup, load scaleLoad) scaleGroup {
	for _, other := range groups {
		if other[0].store == g[0].store && other[0].workers == g[0].workers && other[0].scaleLoad == load {
			return other
		}
	}
	return nil
}

// perOutcome is the coordinator's CPU time per outcome that is streamed: what it takes more than where the same load is told by
// tallies only, in each round.
func (g scaleGroup) perOutcome(groups []scaleGroup) (time.Duration, bool) {
	tallies := g.beside(groups, scaleLoad{g[0].rate, tallyOnly})
	if g[0].detail != everyOutcome || tallies == nil {
		return 0, false
	}
	var each []time.Duration
	for i := range min(len(g), len(tallies)) {
		more := g[i].cores(scaleCoordinator) - tallies[i].cores(scaleCoordinator)
		each = append(each, time.Duration(more/g[i].perSecond()*float64(time.Second)))
	}
	return median(each), true
}

// idleCost is what a coordinator takes each second for a run, and for each worker with next to nothing to do: the line through the
// idle groups of a store. Of fewer than two numbers of workers there is none.
func idleCost(groups []scaleGroup, store string) (run, worker time.Duration, ok bool) {
	var xs, ys []float64
	for _, g := range groups {
		if g.isIdle() && g[0].store == store {
			xs, ys = append(xs, float64(g[0].workers)), append(ys, g.cores())
		}
	}
	each, ok := slope(xs, ys)
	if !ok {
		return 0, 0, false
	}
	var rest float64
	for i := range xs {
		rest += (ys[i] - each*xs[i]) / float64(len(xs))
	}
	return time.Duration(rest * float64(time.Second)), time.Duration(each * float64(time.Second)), true
}

// widest is the group with outcomes streamed at the usual rate that has the most workers, so that the fewest outcomes are in a message;
// nil: there is none.
func widest(groups []scaleGroup, store string) (most scaleGroup) {
	for _, g := range groups {
		if g[0].store == store && g[0].scaleLoad == (scaleLoad{scaleUsual, everyOutcome}) && (most == nil || g[0].workers > most[0].workers) {
			most = g
		}
	}
	return most
}

func (l *lab) tablesOfScale(cells []scaleCell) {
	groups := groupScale(cells)
	t := l.table("store", "outcomes", "workers", "rate", "served/s", "coordinator: CPU s/s", "per worker, ms/s", "per outcome, µs", "RSS, MiB",
		"workers' process: CPU s/s", "late p99, ms", "streamed")
	t.words = 2
	for _, g := range groups {
		outcome := ""
		if each, ok := g.perOutcome(groups); ok {
			outcome = micros(each)
		}
		first := g[0]
		t.row(first.store, first.detail, count(int64(first.workers)), count(int64(first.rate))+"/s", count(int64(g.served())),
			fmt.Sprintf("%.4f", g.cores()), fmt.Sprintf("%.2f", 1e3*g.cores()/float64(first.workers)), outcome,
			mebibytes(median(pick(g, func(c scaleCell) int64 { return c.memory[scaleCoordinator] }))),
			fmt.Sprintf("%.2f", median(pick(g, func(c scaleCell) float64 { return c.cores(scaleHosts) }))),
			millis(median(pick(g, func(c scaleCell) time.Duration { return c.late }))),
			fmt.Sprintf("%.0f %%", 100*median(pick(g, func(c scaleCell) float64 { return c.streamed }))))
	}
	l.say("The coordinator has CPU %d for itself; the workers, all in one process, nginx and `fanout run` share the other. Measured for %d s amid "+
		"each run, with the requests that nginx served in them; medians of %s. Per outcome: what the coordinator takes more than for the same load "+
		"with tallies only, divided by the requests.", generatorCPU, l.length(5), rounds(len(groups[0])))
	l.tableOfPaper(groups)
}

// tableOfPaper works out what a thousand workers would cost: as many times as much as the most that were measured, each with as much to
// do.
func (l *lab) tableOfPaper(groups []scaleGroup) {
	if _, _, ok := idleCost(groups, inMemory); !ok || widest(groups, inMemory) == nil {
		return
	}
	t := l.table("store", "a run, ms/s", "an idle worker, ms/s", "a busy one, ms/s", "an outcome, µs", count(paperWorkers)+" workers idle, CPU s/s",
		"busy, tallies only", "every outcome streamed", "that is")
	for _, store := range []string{inMemory, onDisk} {
		run, idle, ok := idleCost(groups, store)
		most := widest(groups, store)
		if !ok || most == nil {
			continue
		}
		outcome, ok := most.perOutcome(groups)
		if !ok {
			continue
		}
		n := time.Duration(most[0].workers)
		tallies := most.beside(groups, scaleLoad{scaleUsual, tallyOnly})
		busy := (time.Duration(tallies.cores()*float64(time.Second)) - run) / n
		rate := paperWorkers * scaleUsual / n
		t.row(store, millis(run), millis(idle), millis(busy), micros(outcome), inSeconds(run+paperWorkers*idle), inSeconds(run+paperWorkers*busy),
			inSeconds(run+paperWorkers*busy+rate*outcome), count(int64(rate))+"/s")
	}
}
