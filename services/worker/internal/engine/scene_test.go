package engine_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/internal/plan"
	"github.com/fanout-load/fanout/services/internal/schedule"
	"github.com/fanout-load/fanout/services/worker/internal/engine"
	"github.com/fanout-load/fanout/services/worker/internal/lease"
)

// scene is a call to be carried out. Its load, its concurrency and takes have to be given.
type scene struct {
	load        plan.Load
	requests    int           // of the plan; 0 is 1
	timeout     time.Duration // of each of them; 0 is a minute
	concurrency int64
	grown       int64                           // senders that may be made where the concurrency changes; 0 is the concurrency
	capped      bool                            // the concurrency is the worker's
	grants      schedule.Grants                 // nil is every slot
	slots       *lease.Slots                    // nil is the grants, all there from the beginning
	delay       time.Duration                   // from now to the run's start
	takes       func(slot int64) time.Duration  // a request
	sender      func(*slowSender) engine.Sender // nil is the slow one itself
	admit       func(admitted int64) bool       // whether there is room for one more; nil is always
	deliver     func(outcome.Outcome)           // called with each outcome, beside the ledger
	held        func() bool                     // whether the lease is; nil is always
	crowded     func() bool                     // whether too many connections are being opened; nil is never
	log         *slog.Logger                    // nil is none
}

// call is a scene on stage.
type call struct {
	*engine.Call
	*ledger
	scene    scene
	schedule *schedule.Schedule
}

// stage makes the call; its run starts at the scene's delay from now.
func (s scene) stage() *call {
	p := &plan.Plan{Load: s.load}
	for i := range max(s.requests, 1) {
		p.Requests = append(p.Requests, plan.Request{Weight: i + 1, Timeout: cmp.Or(s.timeout, time.Minute)})
	}
	slots := schedule.New(p)
	if s.grants == nil {
		s.grants = schedule.Whole(slots.Slots())
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.slots == nil {
		s.slots = lease.Fixed(s.grants)
	}
	c := &call{scene: s, schedule: slots, ledger: &ledger{start: time.Now().Add(s.delay), sent: map[int64]time.Duration{}}}
	c.Call = engine.New(
		engine.Work{Plan: p, Schedule: slots, Slots: s.slots, Concurrency: s.concurrency, Capped: s.capped, Start: c.start},
		engine.Config{NewSender: c.newSender, Deliver: c.take, Admit: c.admit, Release: c.release, IsCrowded: s.crowded, Held: s.held, Log: s.log},
	)
	return c
}

func (c *call) newSender() engine.Sender {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	c.open++
	sender := &slowSender{ledger: c.ledger, takes: c.scene.takes}
	if c.scene.sender != nil {
		return c.scene.sender(sender)
	}
	return sender
}

func (c *call) take(o *outcome.Outcome) {
	if c.scene.deliver != nil {
		c.scene.deliver(*o)
	}
	c.ledger.deliver(*o)
}

func (c *call) admit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.scene.admit != nil && !c.scene.admit(c.admitted) {
		return false
	}
	c.admitted++
	return true
}

func (c *call) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.released++
}

// play carries the call out and is how long after the run's start it ended.
func (c *call) play(ctx context.Context) time.Duration {
	c.Run(ctx)
	return time.Since(c.start)
}

// slots is the slots delivered, sorted.
func (c *call) slots() []int64 {
	var all []int64
	for i := range c.delivered {
		all = append(all, c.delivered[i].Slot)
	}
	slices.Sort(all)
	return all
}

// bySlot is the outcomes delivered, in the order of their slots.
func (c *call) bySlot() []outcome.Outcome {
	return slices.SortedFunc(slices.Values(c.delivered), func(a, b outcome.Outcome) int { return cmp.Compare(a.Slot, b.Slot) })
}

// account is what became of the claimed slots, in one line.
func (c *call) account() string {
	counts := map[string]int{}
	for i := range c.delivered {
		switch o := &c.delivered[i]; {
		case o.NotSent != outcome.Sent:
			counts["not sent "+o.NotSent.String()]++
		case o.Error != outcome.NoError:
			counts[o.Error.String()]++
		default:
			counts["responses"]++
		}
	}
	var parts []string
	for what, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, what))
	}
	slices.SortFunc(parts, func(a, b string) int { return strings.Compare(what(a), what(b)) })
	return strings.Join(parts, ", ")
}

func what(part string) string {
	_, name, _ := strings.Cut(part, " ")
	return name
}

// inBubble is a test as rapid sees it within a bubble, where nobody may ask a testing.T for its deadline.
type inBubble struct{ testing.TB }

// reporter is a testing.T or a rapid.T.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

// check holds what is true at the end of every call: each claimed slot was delivered exactly once and sent at most once, the
// others not at all, and nothing is left open.
func (c *call) check(t reporter) {
	t.Helper()
	granted, claimed := c.Position()
	if want := c.scene.grants.Len(); granted != want || claimed > granted {
		t.Errorf("Position() = %d granted, %d claimed, want %d granted", granted, claimed, want)
	}
	var want []int64
	for ordinal := range claimed {
		want = append(want, c.scene.grants.Slot(ordinal))
	}
	slices.Sort(want)
	if got := c.slots(); !slices.Equal(got, want) {
		t.Errorf("slots delivered = %v, want %v", got, want)
	}
	if len(c.twice) > 0 {
		t.Errorf("slots sent twice = %v, want none", c.twice)
	}
	for i := range c.delivered {
		c.checkOutcome(t, &c.delivered[i])
	}
	if c.open != 0 || c.busy != 0 || c.released != c.admitted {
		t.Errorf("at the end %d senders are open, %d busy, %d of %d admitted ones released, want nothing left",
			c.open, c.busy, c.released, c.admitted)
	}
	if most := cmp.Or(c.scene.grown, c.scene.concurrency); c.made > most {
		t.Errorf("senders = %d, want at most %d", c.made, most)
	}
}

// checkOutcome holds what is true of every outcome.
func (c *call) checkOutcome(t reporter, o *outcome.Outcome) {
	t.Helper()
	if want := int32(c.schedule.Request(o.Slot)); o.Request != want {
		t.Errorf("slot %d sent request %d, want %d", o.Slot, o.Request, want)
	}
	if c.scene.load.ClosedLoop == nil && o.Due != c.schedule.Due(o.Slot) {
		t.Errorf("slot %d was due at %v, want %v", o.Slot, o.Due, c.schedule.Due(o.Slot))
	}
	at, sent := c.sent[o.Slot]
	if sent != (o.NotSent == outcome.Sent) {
		t.Errorf("slot %d was sent: %v, and not sent by %v", o.Slot, sent, o.NotSent)
	}
	if sent && o.Due+o.Lateness != at {
		t.Errorf("slot %d = due at %v, %v late, want them to sum to %v, when it was sent", o.Slot, o.Due, o.Lateness, at)
	}
	if !sent && o.Lateness+o.Service != 0 {
		t.Errorf("slot %d was not sent, and has the times %v and %v", o.Slot, o.Lateness, o.Service)
	}
}
