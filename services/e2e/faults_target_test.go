//go:build unix

package e2e

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fanout-load/fanout/services/target"
)

// slotOf is the number of a request's slot.
func slotOf(seen target.Seen) int {
	slot, _ := strconv.Atoi(seen.Slot)
	return slot
}

// The target resets connections: before it has read anything, instead of an answer, within the head, after it, and within the body.
// Every slot has its class.
func TestFaultResets(t *testing.T) {
	full(t)
	const slots = 200_000
	scripts := []string{"/reset", "/reset-in-head", "/reset-after-head", "/reset-in-body"}
	var before atomic.Int64
	counted := make([]atomic.Int64, len(scripts))
	j := newJudge(t, target.OracleConfig{
		OnAccept: func(conn int64) target.AcceptAction {
			if conn%10 == 0 {
				before.Add(1)
				return target.AcceptReset
			}
			return target.AcceptServe
		},
		OnRequest: func(seen target.Seen) string {
			if k := slotOf(seen) % 10; k < len(scripts) {
				counted[k].Add(1)
				return scripts[k]
			}
			return "/ok"
		},
	})
	c := newCluster(t, 2, nil)
	r, _ := c.begin(t, "-n", strconv.Itoa(slots), "-c", "200", j.URL()+"/").end(t, 10*time.Minute)
	j.hold(t, r)
	inBody := counted[2].Load() + counted[3].Load()
	others := before.Load() + counted[0].Load() + counted[1].Load()
	if r.Counts.Planned != slots || r.Counts.Unknown != 0 || r.Counts.Errors != inBody+others || r.errorsOf("BODY_RESET") != inBody {
		t.Errorf("run = %+v, %+v, want %d errors, of them %d BODY_RESET", r.Counts, r.Errors, inBody+others, inBody)
	}
	// Without a byte of a response, on a connection that was used before, it is CONN_CLOSED_IDLE; and a reset that comes before anything
	// is read may meet the dialling or the writing.
	idle, reset := r.errorsOf("CONN_CLOSED_IDLE"), r.errorsOf("CONN_RESET")
	if idle > counted[0].Load() || reset < counted[1].Load() || idle+reset < counted[0].Load()+counted[1].Load() {
		t.Errorf("errors = %+v, want CONN_CLOSED_IDLE for some of %d and CONN_RESET for the others, and for %d", r.Errors, counted[0].Load(), counted[1].Load())
	}
	if before.Load() < slots/100 || inBody < slots/10 {
		t.Errorf("%d connections were reset at once, and %d in their body, want more", before.Load(), inBody)
	}
	c.isCalm(t)
}

// The target closes connections without saying so: after a response, and after it has read the next request. That request was
// delivered, so it is not repeated: no slot is seen twice.
func TestFaultKeepAliveRaces(t *testing.T) {
	slots := size(10_000, 200_000)
	scripts := []string{"/ok", "/close", "/close-on-next", "/reset-on-next", "/ok", "/ok"}
	var closed atomic.Int64
	j := newJudge(t, target.OracleConfig{OnRequest: func(seen target.Seen) string {
		script := scripts[(slotOf(seen)/7)%len(scripts)]
		if script != "/ok" {
			closed.Add(1)
		}
		return script
	}})
	c := newCluster(t, 2, nil)
	r, code := c.begin(t, "-n", strconv.Itoa(slots), "-c", "64", j.URL()+"/").end(t, 10*time.Minute)
	j.hold(t, r)
	if code != 0 || r.Counts.Planned != int64(slots) || r.Counts.Responses+r.Counts.Errors != int64(slots) {
		t.Errorf("run = exit %d, %+v, want 0 and each slot sent", code, r.Counts)
	}
	// A connection that was closed costs its next request, if it had one and was not seen to be closed before.
	if r.Counts.Errors == 0 || r.Counts.Errors > closed.Load() || closed.Load() < int64(slots/5) {
		t.Errorf("%d errors, %+v, want 1 to %d: as many connections as were closed", r.Counts.Errors, r.Errors, closed.Load())
	}
	c.isCalm(t)
}

// hostile is what a hostile target does, and the class that it has; "" is a response.
var hostile = []struct{ script, class string }{
	{"/ok", ""},
	{"/stall", "TIMEOUT_FIRST_BYTE"},
	{"/stall-in-head", "TIMEOUT_BODY"},
	{"/stall-in-body", "TIMEOUT_BODY"},
	{"/drip", "TIMEOUT_BODY"},
	{"/gzip-bomb", ""},
	{"/1xx-flood", "PROTO_HEAD_TOO_LARGE"},
	{"/huge-head", "PROTO_HEAD_TOO_LARGE"},
	{"/garbage", "PROTO_MALFORMED"},
	{"/garbage-status", "PROTO_MALFORMED"},
	{"/truncated", "BODY_TRUNCATED"},
	{"/truncated-chunk", "BODY_TRUNCATED"},
	{"/bad-chunk", "BODY_CHUNK"},
	{"/eof", "CONN_EOF"},
	{"/unsolicited", ""},
	{"/hostile/header", ""},
	{"/hostile/reason", ""},
	{"/hostile/body", ""},
	{"/hostile/escape", "PROTO_MALFORMED"},
	{"/bytes/1000000", ""},
}

// Two thousand connections at once to a target that stalls, drips, floods, lies and sends garbage: each ends in its class and in time,
// and neither the worker's memory nor its log grows with what the target sends.
func TestFaultHostileTarget(t *testing.T) {
	full(t)
	const slots, timeout = 2000, 10 * time.Second
	var (
		mu   sync.Mutex
		want = map[string]int64{} // guarded by mu
	)
	j := newJudge(t, target.OracleConfig{OnRequest: func(seen target.Seen) string {
		what := hostile[slotOf(seen)%len(hostile)]
		mu.Lock()
		defer mu.Unlock()
		want[what.class]++
		return what.script
	}})
	c := newCluster(t, 1, nil)
	memory := c.workers[0].status(t, "VmRSS")
	run := c.begin(t, "-n", strconv.Itoa(slots), "-t", timeout.String(), j.URL()+"/")
	j.await(t, slots)
	all := j.now()
	r, code := run.end(t, 2*time.Minute)
	if took := j.now() - all; took > timeout+5*time.Second { // an end of a second, and a machine that is busy
		t.Errorf("the run ended %v after its last request, whose timeout was %v", took, timeout)
	}
	j.hold(t, r)
	if code != 0 || r.Counts.Responses != want[""] {
		t.Errorf("run = exit %d, %+v, want 0 and %d responses", code, r.Counts, want[""])
	}
	for class, n := range want {
		if class != "" && r.errorsOf(class) != n {
			t.Errorf("%d errors of class %s, want %d", r.errorsOf(class), class, n)
		}
	}
	c.within(t, memory)
	c.isCalm(t)
}

// within checks that hostile input has neither filled the first worker's memory nor anybody's log.
func (c *cluster) within(t *testing.T, memory int64) {
	t.Helper()
	if grown := c.workers[0].status(t, "VmHWM") - memory; grown > 100<<10 {
		t.Errorf("the worker took %d KiB more, want 100 MiB at most", grown)
	}
	for _, p := range c.all() {
		if lines := strings.Count(p.log.String(), "\n"); lines > 100 {
			t.Errorf("fanout %s has written %d lines of log, want 100 at most", p.args[0], lines)
		}
	}
}

// Bodies without an end are read until the timeout, and not kept.
func TestFaultEndlessBodies(t *testing.T) {
	full(t)
	const slots = 100
	j := newJudge(t, target.OracleConfig{})
	c := newCluster(t, 1, nil)
	memory := c.workers[0].status(t, "VmRSS")
	r, code := c.begin(t, "-n", strconv.Itoa(slots), "-t", "3s", j.URL()+"/endless").end(t, time.Minute)
	j.hold(t, r)
	if code != 99 || r.errorsOf("TIMEOUT_BODY") != slots {
		t.Errorf("run = exit %d, %+v, want 99 and %d TIMEOUT_BODY", code, r.Errors, slots)
	}
	c.within(t, memory)
	c.isCalm(t)
}
