package model

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	fanoutv1 "github.com/fanout-load/fanout/gen/fanout/v1"
)

// The shapes of load, each with a test of its own.
const (
	uniform    = "uniform"
	poisson    = "poisson"
	closed     = "closed"
	closedTime = "closed-time"
	atOnce     = "at-once"
)

func shapes() []string { return []string{uniform, poisson, closed, closedTime, atOnce} }

// scenario is all that is drawn of a case.
type scenario struct {
	shape       string
	slots       int64         // 0: as many as the time allows
	length      time.Duration // of the load; 0: as long as its slots take
	concurrency int64
	lateness    time.Duration // patience of a slot of an open loop; 0: none
	workers     int
	late        int           // of the workers, how many are found only from a time on
	found       time.Duration // from which
	looks       time.Duration // between two looks for workers
	stateDirs   bool
	keepAlive   bool // net/http with connections that are kept; otherwise the own engine, a connection for each slot
	tallyOnly   bool
	onLoss      fanoutv1.OnWorkerLoss
	lease       time.Duration
	timeout     time.Duration // of a request

	service time.Duration // mean time of a response
	trouble float64       // part of the requests that the target does not answer well

	network manners
	events  []event
	calm    bool // no fault at all
	seed    uint64
}

// manners are how the network treats messages.
type manners struct {
	delay  time.Duration // at most
	lose   float64
	repeat float64
	breaks time.Duration // mean time between breaks of a stream; 0: none
}

// event is something that befalls a part of the world.
type event struct {
	at     time.Duration
	kind   string
	worker int
	lasts  time.Duration // until it is over: healed, or started again; 0 is never for a worker that dies
	keep   bool          // the state directory survives
}

// The kinds of events.
const (
	killWorker   = "kill worker"
	drainWorker  = "drain worker"
	cutWorker    = "cut worker off"
	breakStreams = "break streams"
	killBrain    = "kill coordinator"
	stopBrain    = "stop coordinator"
	secondBrain  = "second coordinator"
	cancelRun    = "cancel run"
)

// gentle says that no worker is lost and no message: the account stays whole then, unless coordinators are away for too long. Among all
// cases those are few.
var gentle = os.Getenv("FANOUT_MODEL_FAULTS") == "gentle"

// eventKinds is every kind, those that matter most several times.
func eventKinds() []string {
	if gentle {
		return []string{drainWorker, breakStreams, killBrain, killBrain, killBrain, stopBrain, stopBrain, secondBrain}
	}
	return []string{
		killWorker, killWorker, killWorker, drainWorker, cutWorker, cutWorker, breakStreams,
		killBrain, killBrain, killBrain, stopBrain, secondBrain, cancelRun,
	}
}

// String is the scenario in a few lines.
func (s *scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d slots, length %v, concurrency %d, patience %v; %d workers (state %v), lease %v, %v, timeout %v\n",
		s.shape, s.slots, s.length, s.concurrency, s.lateness, s.workers, s.stateDirs, s.lease, s.onLoss, s.timeout)
	fmt.Fprintf(&b, "%d workers found after %v, looks every %v\n", s.late, s.found, s.looks)
	fmt.Fprintf(&b, "target: %v each, trouble %.2f; keep-alive %v, tally only %v; network: %+v; calm %v, seed %d",
		s.service, s.trouble, s.keepAlive, s.tallyOnly, s.network, s.calm, s.seed)
	for _, e := range s.events {
		fmt.Fprintf(&b, "\n  at %v %s %d for %v, keeps %v", e.at, e.kind, e.worker, e.lasts, e.keep)
	}
	return b.String()
}

// draw draws a scenario with the shape of load.
func draw(t *rapid.T, shape string) *scenario {
	seconds := func(label string, least, most int) time.Duration {
		return part(t, label, time.Duration(least)*time.Millisecond, time.Duration(most)*time.Millisecond)
	}
	s := &scenario{
		shape:       shape,
		slots:       int64(20 + 10*rapid.IntRange(0, 28).Draw(t, "slots")),
		length:      seconds("length", 500, 12_000),
		concurrency: int64(rapid.IntRange(1, 12).Draw(t, "concurrency")),
		workers:     rapid.IntRange(1, 4).Draw(t, "workers"),
		stateDirs:   rapid.Bool().Draw(t, "state"),
		keepAlive:   rapid.IntRange(0, 3).Draw(t, "keep-alive") == 0,
		tallyOnly:   rapid.IntRange(0, 3).Draw(t, "tally-only") == 0,
		onLoss: fanoutv1.OnWorkerLoss(rapid.SampledFrom([]int32{1, 1, 1, 2, 3}).
			Draw(t, "on loss")),
		lease:   seconds("lease", 3_000, 8_000),
		timeout: seconds("timeout", 1_000, 3_000),
		service: seconds("service", 1, 60),
		calm:    rapid.IntRange(0, 9).Draw(t, "calm") == 0,
		seed:    rapid.Uint64().Draw(t, "seed"),
	}
	s.fit(t)
	s.looks = rapid.SampledFrom([]time.Duration{time.Second, time.Second, 10 * time.Second}).Draw(t, "looks")
	if s.workers > 1 && rapid.IntRange(0, 2).Draw(t, "some late") == 0 {
		s.late = rapid.IntRange(1, s.workers-1).Draw(t, "late")
		s.found = seconds("found", 1_000, 6_000)
	}
	if s.calm {
		return s
	}
	s.trouble = rapid.SampledFrom([]float64{0, 0, 0.02, 0.2}).Draw(t, "trouble")
	s.network = manners{
		delay:  seconds("delay", 0, 300),
		lose:   rapid.SampledFrom([]float64{0, 0, 0.02, 0.1}).Draw(t, "lose"),
		repeat: rapid.SampledFrom([]float64{0, 0.05, 0.4}).Draw(t, "repeat"),
		breaks: rapid.SampledFrom([]time.Duration{0, 0, 700 * time.Millisecond, 4 * time.Second}).Draw(t, "breaks"),
	}
	if gentle {
		s.network.lose = 0
	}
	for range rapid.IntRange(0, 5).Draw(t, "events") {
		s.events = append(s.events, s.event(t))
	}
	slices.SortStableFunc(s.events, func(a, b event) int { return int(a.at - b.at) })
	return s
}

// part is a time between the two, of which rapid would draw the small ones far more often.
func part(t *rapid.T, label string, least, most time.Duration) time.Duration {
	const parts = 31
	return least + (most-least)*time.Duration(rapid.IntRange(0, parts).Draw(t, label))/parts
}

// fit makes the numbers fit the shape.
func (s *scenario) fit(t *rapid.T) {
	switch s.shape {
	case uniform, poisson:
		s.lateness = rapid.SampledFrom([]time.Duration{0, 0, 0, 500 * time.Millisecond}).Draw(t, "patience")
		if rapid.Bool().Draw(t, "unbounded") {
			s.concurrency = 0
		} else {
			s.concurrency += 8
		}
	case closed:
		s.length = 0
		s.service *= 3
	case closedTime:
		s.slots = 0
		s.length = min(s.length, 5*time.Second)
		s.service = max(s.service, 15*time.Millisecond) * time.Duration(s.concurrency)
	case atOnce:
		s.length = 0
		s.slots = min(s.slots, 100)
		s.service *= 40
	}
	s.service = min(s.service, s.timeout/2) // so that what goes well is in time
}

// opening is how long it takes until a run has started, mostly: what befalls it before that mostly keeps it from starting.
const opening = 800 * time.Millisecond

func (s *scenario) event(t *rapid.T) event {
	e := event{
		at:     part(t, "at", 0, s.expected()+time.Second),
		kind:   rapid.SampledFrom(eventKinds()).Draw(t, "kind"),
		worker: rapid.IntRange(0, s.workers-1).Draw(t, "worker"),
		lasts:  time.Duration(rapid.SampledFrom([]int{20, 100, 400, 1000, 2500, 6000, 15_000}).Draw(t, "lasts")) * time.Millisecond,
		keep:   s.stateDirs && rapid.IntRange(0, 2).Draw(t, "keep") > 0,
	}
	if rapid.IntRange(0, 4).Draw(t, "later") > 0 {
		e.at += opening
	}
	if (e.kind == killWorker || e.kind == drainWorker) && rapid.IntRange(0, 3).Draw(t, "forever") == 0 {
		e.lasts = 0
	}
	return e
}

// expected is about how long the load takes without faults.
func (s *scenario) expected() time.Duration {
	switch s.shape {
	case closed:
		return s.service * time.Duration(s.slots) / time.Duration(s.concurrency)
	case atOnce:
		return 3 * s.service
	default:
		return s.length
	}
}

// harmless reports whether all that befalls has to leave the account whole: coordinators are gone for less than a lease, with time for
// a renewal that was due, another that takes its second, and recovery; and no worker dies or is cut off. drains: some worker ends as it
// should, with what it was granted or without.
func (s *scenario) harmless() (harmless, drains bool) {
	gone := time.Duration(0)
	for _, e := range s.events {
		switch e.kind {
		case killWorker, cutWorker, cancelRun:
			return false, false
		case killBrain, stopBrain:
			gone += e.lasts
		case drainWorker:
			drains = true
		}
	}
	return s.network.lose == 0 && gone <= s.lease-3*time.Second, drains
}

// plan is the plan that the scenario asks for.
func (s *scenario) plan() *fanoutv1.Plan {
	p := &fanoutv1.Plan{
		Requests: []*fanoutv1.Request{{Url: "http://192.0.2.1/"}},
		Load:     &fanoutv1.Load{Requests: s.slots},
		Http:     &fanoutv1.HttpOptions{SlotHeader: true, Timeout: durationpb.New(s.timeout), RequestsPerConnection: 1},
		Outcomes: &fanoutv1.OutcomeOptions{},
	}
	if s.keepAlive {
		p.Http.Engine, p.Http.RequestsPerConnection = fanoutv1.Engine_ENGINE_STD, 0
	}
	if s.tallyOnly {
		p.Outcomes.Detail = fanoutv1.Detail_DETAIL_TALLY_ONLY
	}
	open := &fanoutv1.OpenLoop{MaxConcurrency: s.concurrency}
	if s.lateness > 0 {
		open.MaxLateness = durationpb.New(s.lateness)
	}
	switch s.shape {
	case uniform, poisson:
		rate := float64(s.slots) / s.length.Seconds()
		open.Stages = []*fanoutv1.Stage{{RatePerSecond: rate}}
		if s.shape == poisson {
			open.Arrival = &fanoutv1.OpenLoop_Poisson{Poisson: &fanoutv1.Poisson{Seed: int64(s.seed >> 1)}}
		}
		p.Load.Shape = &fanoutv1.Load_OpenLoop{OpenLoop: open}
	case closed, closedTime:
		p.Load.Shape = &fanoutv1.Load_ClosedLoop{ClosedLoop: &fanoutv1.ClosedLoop{Concurrency: s.concurrency}}
		if s.length > 0 {
			p.Load.Duration = durationpb.New(s.length)
		}
	}
	return p
}
