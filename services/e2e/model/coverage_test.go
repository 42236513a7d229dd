package model

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// coverage counts what cases have come to: faults that never happen find nothing.
type coverage struct {
	mu    sync.Mutex
	count map[string]int // guarded by mu, like what follows
	cases int
	first string // of the cases that failed, without its trace
}

// marks is what a trace has in it when something happened.
func marks() map[string]string {
	return map[string]string{
		"a worker started again":           ".2 starts, state",
		"a lease was not held any more":    "code = NotFound desc = lease_id",
		"a worker was lost":                "log: lost a worker",
		"a dead process's mark was found":  "its process died",
		"a worker joined":                  "log: a worker has joined",
		"a worker drained":                 "has drained",
		"a coordinator went on with a run": "log: going on with a run",
		"a stream broke":                   "log: a shard's stream broke",
		"a stream was replaced":            "another caller has taken the shard",
		"a renewal was repeated":           "repeat true",
		"an epoch was refused":             "is not obeyed any more",
		"the run was cancelled":            "was told to cancel",
	}
}

// add adds a case.
func (c *coverage) add(s *scenario, e *ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count = map[string]int{}
	}
	c.cases++
	for name, text := range marks() {
		c.count[name] += strings.Count(e.trace, text)
	}
	if harmless, _ := s.harmless(); harmless && !s.calm && len(s.events) > 0 {
		c.count["the account had to stay whole"]++
	}
	if e.final != nil {
		c.count["verdict "+e.final.GetVerdict().String()]++
		if e.final.GetStartTime() == nil {
			c.count["the run never started"]++
		}
		if e.final.GetTally().GetCounts().GetUnknown() > 0 {
			c.count["something stayed unknown"]++
		}
	}
	c.count["requests"] += int(e.arrived)
	c.count["snapshots"] += e.looks
}

// fail keeps the first case that failed, to be told at the end: of a long output that is what is looked at first.
func (c *coverage) fail(s *scenario, why any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == "" {
		c.first = fmt.Sprintf("%v\n%v", s, why)
	}
}

// enough is how many cases have to have everything in them.
const enough = 1000

// tell tells it, and fails if there is something that never happened though there were many cases.
func (c *coverage) tell(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	text := fmt.Sprintf("%d cases", c.cases)
	for _, name := range slices.Sorted(maps.Keys(c.count)) {
		text += fmt.Sprintf("\n%8d %s", c.count[name], name)
		if c.count[name] == 0 && c.cases >= enough && !gentle {
			t.Errorf("in %d cases it never happened that %s", c.cases, name)
		}
	}
	if c.first != "" {
		text += "\nthe first case that failed, before it was made smaller:\n" + c.first
	}
	t.Log(text)
}
