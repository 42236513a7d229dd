package enginetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fanout-load/fanout/services/internal/outcome"
	"github.com/fanout-load/fanout/services/target"
)

// Every script has its class as often as it was performed, whichever others run beside it: nothing is lost, nothing is counted
// as something else, and the target has seen what the outcomes say.
func TestAMixHasExactCounts(t *testing.T) { onEach(t, testAMixHasExactCounts) }

func testAMixHasExactCounts(t *testing.T, e engine) {
	t.Parallel()
	const rounds, senders = 40, 8
	mix := []struct {
		script string
		status int32
		class  outcome.Class
	}{
		{"/ok", 200, outcome.NoError},
		{"/status/404", 404, outcome.NoError},
		{"/status/503", 503, outcome.NoError},
		{"/status/204", 204, outcome.NoError},
		{"/bytes/100000", 200, outcome.NoError},
		{"/chunked/20", 200, outcome.NoError},
		{"/1xx/3", 200, outcome.NoError},
		{"/http10", 200, outcome.NoError},
		{"/redirect/1", 200, outcome.NoError},
		{"/close", 200, outcome.NoError},
		{"/close-announced", 200, outcome.NoError},
		{"/reset", 0, outcome.ConnReset},
		{"/eof", 0, outcome.ConnEOF},
		{"/reset-in-head", 0, outcome.ConnReset},
		{"/reset-after-head", 200, outcome.BodyReset},
		{"/reset-in-body", 200, outcome.BodyReset},
		{"/truncated", 200, outcome.BodyTruncated},
		{"/truncated-chunk", 200, outcome.BodyTruncated},
		{"/bad-chunk", 200, outcome.BodyChunk},
		{"/garbage", 0, outcome.ProtoMalformed},
		{"/garbage-status", 0, outcome.ProtoMalformed},
		{"/hostile/escape", 0, outcome.ProtoMalformed},
		{"/1xx-flood", 0, outcome.ProtoHeadTooLarge},
		{"/huge-head?bytes=100000", 0, outcome.ProtoHeadTooLarge},
		{"/redirect-metadata", 302, outcome.PolicyRedirect},
	}
	var scripts []string
	want := map[string]int{}
	for _, m := range mix {
		scripts = append(scripts, m.script)
		want[fmt.Sprint(m.status, " ", m.class)] += rounds
	}
	o := startOracle(t, target.OracleConfig{OnRequest: scriptOf(scripts)})
	p := planFor(o.URL() + "/mix")
	p.HTTP.RequestsPerConnection = 1 // on a reused connection the ends before a response are CONN_CLOSED_IDLE
	slots := int64(rounds * len(mix))
	got := map[string]int{}
	for _, one := range sendAll(t, e.newClient(t, p, nil), senders, slots, nil) {
		m := mix[one.Slot%int64(len(mix))]
		if one.Error != m.class || one.Status != m.status {
			t.Errorf("slot %d, %s = status %d, %v (%s), want %d, %v", one.Slot, m.script, one.Status, one.Error, one.Message, m.status, m.class)
		}
		got[fmt.Sprint(one.Status, " ", one.Error)]++
	}
	for kind, n := range want {
		if got[kind] != n {
			t.Errorf("%d of %s, want %d", got[kind], kind, n)
		}
	}
	if total, hops := o.Ledger().Total(), slots+rounds; total != hops {
		t.Errorf("the target saw %d requests, want %d: one for each slot, and the redirects' second hops", total, hops)
	}
}

// The classes of a sender's slots, one after the other, do not depend on the engine either where connections are reused.
func TestSequencesAreAlike(t *testing.T) {
	t.Parallel()
	scripts := []string{
		"/ok", "/reset", "/ok", "/ok", "/eof", "/chunked/3", "/truncated", "/ok", "/close-on-next", "/ok", "/status/204", "/garbage", "/bytes/50000", "/reset-in-head",
		"/http10", "/ok", "/bad-chunk", "/ok", "/reset-on-next", "/ok", "/redirect/1", "/close-announced", "/ok", "/1xx-flood", "/ok", "/reset-in-body",
	}
	var classes [2][]string
	for i, e := range engines {
		o := startOracle(t, target.OracleConfig{OnRequest: scriptOf(scripts)})
		for _, one := range sendAll(t, e.newClient(t, planFor(o.URL()+"/sequence"), nil), 1, int64(4*len(scripts)), nil) {
			classes[i] = append(classes[i], fmt.Sprint(scripts[one.Slot%int64(len(scripts))], " ", one.Status, " ", one.Error, " ", one.Connection != nil))
		}
	}
	if !slices.Equal(classes[0], classes[1]) {
		for i := range classes[0] {
			if classes[0][i] != classes[1][i] {
				t.Errorf("slot %d: http1 %s, std %s", i, classes[0][i], classes[1][i])
			}
		}
	}
}
