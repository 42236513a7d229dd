package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// madeCell is a cell of one second whose coordinator took this CPU time.
func madeCell(store string, workers, rate int, detail string, cpu time.Duration) scaleCell {
	return scaleCell{
		store: store, workers: workers, scaleLoad: scaleLoad{rate, detail},
		seen: seen{length: time.Second, served: int64(rate), cpu: []time.Duration{cpu, time.Second / 2}, memory: []int64{20 << 20, 30 << 20}},
	}
}

// madeCells is what a coordinator takes that needs 2 ms a run, 1 ms an idle worker, 3 ms a busy one, and 5 µs an outcome, in two rounds.
func madeCells() (cells []scaleCell) {
	for _, n := range []int{1, 10, 100} {
		for range 2 {
			for _, store := range []string{inMemory, onDisk} {
				idle, busy := 2*time.Millisecond+time.Duration(n)*time.Millisecond, 2*time.Millisecond+3*time.Duration(n)*time.Millisecond
				cells = append(cells,
					madeCell(store, n, max(scaleIdle, n), tallyOnly, idle),
					madeCell(store, n, scaleUsual, tallyOnly, busy),
					madeCell(store, n, scaleUsual, everyOutcome, busy+scaleUsual*5*time.Microsecond))
			}
		}
	}
	return cells
}

func TestGroupScale(t *testing.T) {
	t.Parallel()
	groups := groupScale(madeCells())
	if len(groups) != 18 {
		t.Fatalf("%d groups, want 18", len(groups))
	}
	for _, g := range groups {
		if len(g) != 2 {
			t.Errorf("%v has %d cells, want one of each round", g[0].scaleLoad, len(g))
		}
		each, ok := g.perOutcome(groups)
		if ok != (g[0].detail == everyOutcome) || ok && (each-5*time.Microsecond).Abs() > time.Nanosecond {
			t.Errorf("%v: an outcome takes %v, %v, want 5µs where outcomes are streamed", g[0].scaleLoad, each, ok)
		}
	}
}

func TestIdleCost(t *testing.T) {
	t.Parallel()
	groups := groupScale(madeCells())
	run, worker, ok := idleCost(groups, onDisk)
	if !ok || (run-2*time.Millisecond).Abs() > time.Microsecond || (worker-time.Millisecond).Abs() > time.Microsecond {
		t.Errorf("idleCost = %v, %v, %v, want 2ms and 1ms", run, worker, ok)
	}
	if _, _, ok := idleCost(groups[:3], inMemory); ok {
		t.Error("one number of workers has a cost of each")
	}
	if most := widest(groups, onDisk); most == nil || most[0].workers != 100 || most[0].detail != everyOutcome {
		t.Errorf("widest = %v, want that of 100 workers", most)
	}
	if most := widest(nil, onDisk); most != nil {
		t.Errorf("widest of none = %v", most)
	}
}

func TestTablesOfScale(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	l.tablesOfScale(madeCells())
	text := l.section(part{})
	for _, want := range []string{
		"| memory | every      |      10 | 10,000/s |   10,000 |               0.0820 |             8.20 |            5.00 |     20.0 |",
		"| memory |       2.000 |                1.000 |            3.000 |           5.00 |                        1.00 |               3.00 |                   3.50 | 100,000/s |",
		"medians of 2 rounds",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the section has no %q:\n%s", want, text)
		}
	}
}

func TestScaleLoads(t *testing.T) {
	t.Parallel()
	l := testLab(t)
	l.rate = 20_000
	loads := l.scaleLoads(100)
	if len(loads) != 5 || loads[0] != (scaleLoad{100, tallyOnly}) || loads[4] != (scaleLoad{20_000, everyOutcome}) {
		t.Errorf("scaleLoads(100) = %v, want the idle one with a slot for each worker, and two rates both ways", loads)
	}
	if got := l.scaleLoads(1)[0].rate; got != scaleIdle {
		t.Errorf("one idle worker has %d/s, want %d/s", got, scaleIdle)
	}
}

// statusTarget is what nginx says of itself, with 100 more requests each time.
func statusTarget(t *testing.T) *nginx {
	t.Helper()
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests += 101 // the question too
		fmt.Fprintf(w, "Active connections: 1 \nserver accepts handled requests\n 1 1 %d \n", requests)
	}))
	t.Cleanup(server.Close)
	return &nginx{url: server.URL + "/"}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	target := statusTarget(t)
	p, err := testLab(t).startSlow(t.Context(), anyCPU, slowness{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.abandon()
	w := window{after: time.Millisecond, length: 20 * time.Millisecond}
	s := <-w.watch(t.Context(), target, p)
	if s.err != nil || s.served != 100 || s.length < w.length || len(s.cpu) != 1 || s.memory[0] == 0 || s.cores(0) > 2 {
		t.Errorf("watch = %+v, want 100 requests in at least %v, and the process", s, w.length)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s := <-w.watch(ctx, target, p); s.err == nil {
		t.Error("watch has no error though its context has ended")
	}
	if s := <-w.watch(t.Context(), target, &process{name: "none", pid: -1}); s.err == nil {
		t.Error("watch of no process has no error")
	}
}

func TestServedBetween(t *testing.T) {
	t.Parallel()
	target := statusTarget(t)
	served, err := target.servedBetween(t.Context(), func() error {
		_, err := target.served(t.Context()) // asked in between: that does not count
		return err
	})
	if err != nil || served != 200 {
		t.Errorf("servedBetween = %d, %v, want 200", served, err)
	}
}
